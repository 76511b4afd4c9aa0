"""The same as `smiletrack prepare-data`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("prepare-data")
