"""What the rows of each split hold, feature by feature."""
