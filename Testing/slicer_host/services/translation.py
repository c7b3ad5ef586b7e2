"""``slicer.i18n``: texts as they are, since no translation is loaded."""


def tr(text: str) -> str:
    """The text itself."""
    return text


def translate(context: str, text: str) -> str:
    """The text itself, whatever the context."""
    return text
