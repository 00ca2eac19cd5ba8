"""What a linear model of words thinks of texts that another model has answered."""
