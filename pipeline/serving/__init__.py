"""A server of the pushed model, from what was asked for to its end."""
