"""From files that nobody has described to a description that a person reviews once."""
