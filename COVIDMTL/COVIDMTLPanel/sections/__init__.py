"""The collapsible sections of the panels."""
