"""The same as `smiletrack report`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("report")
