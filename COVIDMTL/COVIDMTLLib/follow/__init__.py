"""Several CTs of one patient in time: measured, registered, and what changed beyond the measurement."""
