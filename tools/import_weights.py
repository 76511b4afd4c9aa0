"""The same as `smiletrack import-weights`, from a checkout."""

from smiletrack.__main__ import main

if __name__ == "__main__":
    main("import-weights")
