"""Volumes: their geometry, resampling, reading and writing, and what makes one a CT that can be assessed."""
