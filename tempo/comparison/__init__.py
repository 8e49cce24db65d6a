"""What the runs of a study mean."""
