"""Paths for people."""

from __future__ import annotations

from pathlib import Path


def shortest_path(path: Path) -> str:
    """Returns a path as it is shortest to type from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
