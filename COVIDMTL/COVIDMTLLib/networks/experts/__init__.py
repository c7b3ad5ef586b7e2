"""Experts of the networks on features and values of the patient."""
