"""The one exception type for mistakes that a user can mend, and how values look in its messages."""


class InputError(ValueError):
    """Something outside the program is wrong: a file, a flag, a configuration value.

    The message is one line that says what is wrong, where (file and line, or the full key), and how to mend it.
    The commands in `tools/` print it and exit with status 2, without a traceback.
    """


def shown(value: object, length: int = 80) -> str:
    """Return `value` as it stands in a message: its repr, cut to `length` characters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no numbers of thousands of digits, nor endless nests
        return f"{type(value).__name__} too large to show"
    return text if len(text) <= length else f"{text[: length - 3]}..."
