"""Brings the model in production into the run, so that it can be compared with."""
