"""Runs in an experiment tracker beside our own reports."""
