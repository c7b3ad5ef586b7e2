"""What can go wrong through no fault of the program."""


class InputError(ValueError):
    """Input that cannot be used.

    Its message is one sentence for the person who gave it: what is wrong and what to do about it.
    """


class ImplausibleCT(InputError):
    """A volume that can be read but is not a chest CT that can be assessed."""


NOT_OURS = (InputError, OSError, MemoryError)
"""Errors that are no fault of the program: of the input, and of what the machine lets it do."""


def sentence(error: Exception) -> str:
    """What to say of one of `NOT_OURS` to the person who gave the input."""
    if isinstance(error, MemoryError):
        return "The memory of this machine is not enough; close other programs, or give a smaller CT."
    if isinstance(error, OSError):  # a full disk, a folder that may not be read, a file that went away
        return f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}."
    return str(error)
