"""What a linear model makes of the rows of a run."""
