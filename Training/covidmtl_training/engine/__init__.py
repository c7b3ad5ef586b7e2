"""Training runs on the cases of a store."""
