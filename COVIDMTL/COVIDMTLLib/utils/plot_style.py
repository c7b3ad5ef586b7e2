"""Plots that look the same in any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def default_style() -> Iterator[None]:
    """Matplotlib's own settings inside, as a context or decorator, whatever a user or a program has changed of them.

    A ``matplotlibrc`` with a resolution for paper makes the pictures of a page nine times as large otherwise.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
