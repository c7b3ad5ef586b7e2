"""What all of the training may use."""
