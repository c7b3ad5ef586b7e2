"""Training of the networks and models, and the studies of the paper. The scripts beside this package run it."""
