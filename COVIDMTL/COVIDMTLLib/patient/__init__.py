"""What is known of a patient besides the CT."""
