"""The same as `smiletrack train-slm`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("train-slm")
