"""Files that are never seen half written."""

from __future__ import annotations

from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file at once: a reader sees the old text or the new one.

    Args:
        path: The file; its folder is made if need be.
        text: What it holds from now on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
