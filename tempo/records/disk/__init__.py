"""What records take on the disk: files that results rest on, files that were removed, sizes."""
