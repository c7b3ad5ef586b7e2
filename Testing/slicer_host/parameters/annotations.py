"""What an annotation can say about a parameter: its first value, which values it takes, how it is shown."""

from dataclasses import dataclass


class Default:
    """The value that a parameter has at first."""

    def __init__(self, value=None, *, generator=None):
        self._value, self._generator = value, generator

    @property
    def value(self):
        return self._generator() if self._generator else self._value


class WithinRange:
    """A number from ``minimum`` to ``maximum``."""

    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


class Minimum(WithinRange):
    """A number no less than ``minimum``."""

    def __init__(self, minimum):
        super().__init__(minimum, float("inf"))


class Maximum(WithinRange):
    """A number no more than ``maximum``."""

    def __init__(self, maximum):
        super().__init__(float("-inf"), maximum)


class Choice:
    """One of some values."""

    def __init__(self, choices):
        self.choices = list(choices)

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"{value} is none of {self.choices}")


@dataclass
class Decimals:
    """How many decimals a widget shows."""

    value: int


@dataclass
class SingleStep:
    """By how much one step changes the value."""

    value: float
