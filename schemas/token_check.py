"""`report.json` of TokenGate: what became of the texts in tokenisation."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document, Part


class SplitTokens(Part):
    """Figures of one split. Lengths are in word pieces, [CLS] and [SEP] included."""

    rows: int
    pieces: int
    """Word pieces, without [CLS] and [SEP]."""
    unknown_pieces: int
    """How many of them are [UNK]."""
    unknown_share: float
    words: int = 0
    """Pieces that begin a word, as BERT cuts texts: punctuation and ideographs are words; 0 in what 0.1.0 wrote."""
    pieces_per_word: float = 0.0
    """1 where the vocabulary has each word whole; 3 and more where it is one of another language."""
    full_share: float
    """Share of rows as long as max_length: cut off, but for the few that just fit."""
    mean_length: float
    median_length: int
    p95_length: int
    p99_length: int
    longest: int
    empty_rows: int
    """Rows of nothing but [CLS] and [SEP]: the text was all markup or control characters."""
    broken_rows: int
    """Rows that do not begin with the one [CLS], end with the one [SEP], and keep to 2 to max_length."""
    first_broken_row: int | None
    """Position of the first of them in the split, counted from 0."""


class TokenCheck(Document):
    """All that the gate found."""

    FILE: ClassVar = "report.json"

    passed: bool
    max_length: int
    max_unknown_share: float
    splits: dict[str, SplitTokens]
    problems: tuple[str, ...]
    """What stops the run, a sentence each."""
    rows_differ: bool = False
    """Whether some split has other rows than the data card counts."""
