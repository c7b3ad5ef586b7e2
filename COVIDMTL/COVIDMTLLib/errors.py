"""What can go wrong through no fault of the program."""


class InputError(ValueError):
    """Input that cannot be used. Its message is one sentence for the person who gave it: what is
    wrong and what to do about it."""


class ImplausibleCT(InputError):
    """A volume that can be read but is not a chest CT that can be assessed."""


def file_trouble(error: OSError) -> str:
    """A full disk, a folder that may not be read, a file that went away: the error as one sentence."""
    return f"{error.filename or 'A file'} cannot be read or written: {error.strerror or error}."
