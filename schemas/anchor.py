"""The best model that was ever pushed on a set of test rows: kept as its answers, so that it can be compared with."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from agnews.schemas.numbered_form import NumberedForm

ANSWERS = "answers.parquet"
"""Beside the document: `row`, `label` and `class_id` of each test row, by rising row; see `schemas/predictions.py`."""


class Anchor(NumberedForm):
    """What is kept of it, `anchor.json`. Keys that are not known are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    KNOWN_FORMAT: ClassVar = 1
    WRITTEN: ClassVar = "about the best model that was pushed"

    FILE: ClassVar = "anchor.json"

    format: int = 1
    version: str
    """Its number; empty where it is the candidate that is being judged, which has none yet."""
    test_digest: str = ""
    """sha256 of the test file; empty before the push."""
    rows_digest: str
    """sha256 over number, label and text of the rows."""
    accuracy: float
    """On these rows."""
    best_of: int
    """How many models that were pushed on these rows it was chosen from."""

    def json_bytes(self) -> bytes:
        """The content of the file."""
        return self.model_dump_json(indent=2).encode() + b"\n"
