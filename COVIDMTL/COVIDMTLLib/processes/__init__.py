"""Processes of their own: for parts of a job, for jobs that can be cancelled, for the command line as a child."""
