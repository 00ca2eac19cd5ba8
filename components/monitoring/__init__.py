"""Looks at what was asked of late, and says whether the model still fits it."""
