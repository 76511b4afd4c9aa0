"""The one exception type for mistakes that a user can mend."""


class InputError(ValueError):
    """Something outside the program is wrong: a file, a flag, a configuration value.

    The message is one line that says what is wrong, where (file and line, or the full key), and how to mend it.
    The commands in `tools/` print it and exit with status 2, without a traceback.
    """
