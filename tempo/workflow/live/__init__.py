"""The page of a study while the study runs, served to this machine alone."""
