"""The exception for bad user input."""


class InputError(ValueError):
    """Bad input that the user can fix. The message is one sentence: the file or field, its value, and what to do.

    The command line prints the message and exits with status 2. No other exception is handled this way.
    """
