"""What records take on the disk: `tempo disk` shows, `tempo clean` deletes."""
