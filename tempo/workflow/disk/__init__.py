"""What studies take on the disk, and what their keep policies let go."""
