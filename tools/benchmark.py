"""The same as `smiletrack benchmark`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("benchmark")
