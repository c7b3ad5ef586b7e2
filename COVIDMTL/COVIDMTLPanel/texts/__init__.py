"""What the panels say, as rich text."""
