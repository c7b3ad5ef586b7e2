"""The tasks of the paper, and how a label that is not known is written. Needs no PyTorch."""

from __future__ import annotations

MISSING = -100
"""The label of a case that has none for a task, as in PyTorch's own cross-entropy."""

TASKS = [
    {"name": "covid_ct", "title": "COVID-19 by radiology (CT)", "classes": ["negative", "positive"]},
    {"name": "covid_nat", "title": "COVID-19 by nucleic acid test", "classes": ["negative", "positive"]},
    {
        "name": "severity",
        "title": "Severity of COVID-19",
        "classes": ["control/suspected", "mild/regular", "severe/critically ill"],
    },
]
"""The tasks of the paper, in the order of its release."""
