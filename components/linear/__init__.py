"""A linear classifier of word and character n-grams."""
