"""The same as `smiletrack calibrate`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("calibrate")
