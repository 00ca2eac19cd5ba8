"""Finding weights: rows in memory, batches of similar length, optimiser, and the loop with its callbacks."""
