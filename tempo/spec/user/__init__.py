"""What a user sets once for all studies, beside the specs."""
