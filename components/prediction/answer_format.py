"""How answers are written."""

from __future__ import annotations

from enum import StrEnum


class AnswerFormat(StrEnum):
    """A table for people, or lines for programs."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
