"""The results of an assessment."""
