"""Contracts: what the corpus holds, how a run is configured, what steps hand on, and how errors look."""
