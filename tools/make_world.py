"""The same as `smiletrack make-world`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("make-world")
