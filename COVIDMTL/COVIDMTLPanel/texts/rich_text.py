"""Tables and bars in the rich text that Qt's labels show."""

from __future__ import annotations

from html import escape

BAR, VERDICT_BAR, AGAINST_BAR, REST = "#8fa8bf", "#2f6f9f", "#c98a3a", "#dfe5ea"
"""Colours of the bar of a class, of what speaks for the verdict and against it, and of what is left to the end."""

OUTSIDE = "#c23b22"
"""Colour of a value outside its normal range."""

MARKS = {"below": "↓", "above": "↑", "": ""}
"""What marks a value on either side of its normal range."""


def table_html(header: list[str], rows: list[list[str]]) -> str:
    """A table; columns of numbers are aligned to the right."""
    columns = zip(header, rows[-1], strict=True) if header else ()
    head = "".join(f"<th align='{_alignment(cell)}'>{escape(title)}</th>" for title, cell in columns)
    body = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f'<table width="100%" cellpadding="2"><tr>{head}</tr>{body}</table>'


def bars_html(rows: list[str]) -> str:
    """A table of rows that `bar_row` gives."""
    return f'<table width="100%" cellspacing="1">{"".join(rows)}</table>'


def bar_row(label: str, share: float, number: str, colour: str, label_width: int = 38) -> str:
    """A row with a label (rich text), a bar and a number.

    Parameters
    ----------
    share : float
        Length of the bar, 0 to 1.
    label_width : int
        In % of the row.
    """
    # Qt's rich text has no inline blocks: a bar is a table of two coloured cells, at least 1 % wide each.
    width = min(99, max(1, round(100 * share)))
    bar = (
        '<table width="100%" cellspacing="0" cellpadding="0"><tr>'
        f'<td width="{width}%" bgcolor="{colour}">&nbsp;</td><td width="{100 - width}%" bgcolor="{REST}">&nbsp;</td>'
        "</tr></table>"
    )
    return (
        f'<tr><td width="{label_width}%">{label}</td><td width="{85 - label_width}%">{bar}</td>'
        f'<td width="15%" align="right">{number}</td></tr>'
    )


def _cell(text: str) -> str:
    return f"<td align='{_alignment(text)}'>{escape(text)}</td>"


def _alignment(text: str) -> str:
    return "right" if text[:1].isdigit() else "left"
