"""Models on lung features and what is known of the patient."""
