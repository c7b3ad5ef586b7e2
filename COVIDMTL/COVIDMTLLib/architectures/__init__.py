"""What can be known of networks without PyTorch: their configuration, tasks, and those that NumPy runs."""
