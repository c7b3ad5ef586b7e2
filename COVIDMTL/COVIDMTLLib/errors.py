"""What can go wrong through no fault of the program."""


class InputError(ValueError):
    """Input that cannot be used. Its message is one sentence for the person who gave it: what is
    wrong and what to do about it."""


class ImplausibleCT(InputError):
    """A volume that can be read but is not a chest CT that can be assessed."""
