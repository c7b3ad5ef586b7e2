"""Recipes: how networks are trained, and what they choose from."""
