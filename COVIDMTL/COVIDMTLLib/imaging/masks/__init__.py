"""Lung masks of any program."""
