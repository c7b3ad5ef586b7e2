"""Models: card, weights, files, device, and running them."""
