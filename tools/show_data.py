"""The same as `smiletrack show-data`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("show-data")
