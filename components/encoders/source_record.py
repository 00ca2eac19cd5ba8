"""Where a fetched encoder came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "source.json"


@dataclass(frozen=True)
class SourceRecord:
    """Kept in the folder of a fetched encoder.

    Attributes:
        handle: What it was fetched by, and what it is found by.
        revision: What was fetched exactly: a commit; empty where the server knows no such thing.
        url: Where from.
        files: Digest of each file as the server announced it; empty where it announced none.
    """

    handle: str
    revision: str
    url: str
    files: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Writes it into a folder."""
        (folder / _FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_source_record(folder: Path) -> SourceRecord | None:
    """Reads the record of a folder.

    Args:
        folder: One of `EncoderCache`.

    Returns:
        The record; None where there is none, or one that was cut.
    """
    path = folder / _FILE
    try:
        return SourceRecord(**json.loads(path.read_bytes())) if path.is_file() else None
    except (ValueError, TypeError):
        return None
