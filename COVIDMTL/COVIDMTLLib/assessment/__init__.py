"""The main job: from one chest CT to an assessment."""
