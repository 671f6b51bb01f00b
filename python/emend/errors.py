"""The exception of emend."""


class Error(RuntimeError):
    """Bad input. The message is one line: what is wrong with which file or value, and what to do."""
