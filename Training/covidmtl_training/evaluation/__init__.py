"""Predictions, measures, intervals and tests."""
