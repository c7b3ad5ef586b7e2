"""The command line ``covid-mtl``."""
