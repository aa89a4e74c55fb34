"""The one exception for a mistake that the user can mend."""


class InputError(ValueError):
    """Bad input, told in one sentence: the file or field, its value, and what to do about it.

    The command line prints the sentence and exits with status 2; nothing else in the project does so.
    """
