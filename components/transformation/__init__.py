"""From raw rows to those that a model learns from, and the graph that a served model takes with it."""
