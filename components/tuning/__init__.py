"""Searches good settings by trying some: what is searched, a study that survives being killed, and its plot."""
