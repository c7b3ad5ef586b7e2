"""The lungs of a CT: by method, side by side, with airways, and whether they are plausible."""
