"""One page about a run, for people, and the same as JSON."""
