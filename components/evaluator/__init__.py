"""Judges a model on the held-out test split: figures, slices, predictions, and whether it may be pushed."""
