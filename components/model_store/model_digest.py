"""The digest that tells models apart and corrupt copies from sound ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from agnews.components.storage.files_at import files_at

RECORD_FILE = "assets.extra/record.json"
"""Holds the digest, so it cannot be part of it."""


def model_digest(sources: Mapping[str, str]) -> str:
    """Digests a model folder, or what is going to be one.

    Args:
        sources: Where the content of each file is, by its path in the model folder.

    Returns:
        sha256 over the sorted paths and the sha256 of each content, lower-case hexadecimal. `RECORD_FILE` is left
        out.
    """
    whole = hashlib.sha256()
    for path in sorted(set(sources) - {RECORD_FILE}):
        content = hashlib.sha256()
        for chunk in files_at(sources[path]).read(sources[path]):
            content.update(chunk)
        whole.update(f"{path}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()
