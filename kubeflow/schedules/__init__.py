"""Schedules as code: what shall run when, on a cluster or on this machine."""
