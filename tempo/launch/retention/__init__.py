"""What a keep policy lets go of complete runs, and what something still names."""
