"""From a table of cases to a store of lung volumes and features."""
