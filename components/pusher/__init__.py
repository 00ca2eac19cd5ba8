"""Puts a blessed model that can be served into production."""
