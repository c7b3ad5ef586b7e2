"""The tables of the real cohort."""
