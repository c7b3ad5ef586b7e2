"""Laboratory values of a patient."""

from __future__ import annotations

LABS = {"HGB": 141.0, "LY": 0.48, "DD": 0.5, "CREA": 71.5, "CD4/CD8": 1.4}
