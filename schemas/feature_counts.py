"""`feature_counts.json`: how often each value of a feature occurs in a sample of rows, without any row."""

from __future__ import annotations

from typing import ClassVar, Literal

from agnews.schemas.document import Document

COUNTED = ("label", "num_words", "num_characters", "has_markup", "character_pairs")
"""The features by which two samples are compared."""


class FeatureCounts(Document):
    """Counts of a sample. The bins are the same for all samples, so that any two can be compared exactly."""

    FILE: ClassVar = "feature_counts.json"

    format: Literal[1] = 1
    """Of this file: it goes with a pushed model, and its reader may be a later version."""
    rows: int
    label: tuple[int, ...]
    """Rows by class, in the corpus' order; empty where nobody has said which class a row is."""
    num_words: tuple[int, ...]
    """Rows by bin of `agnews.components.drift.text_features.length_bins`."""
    num_characters: tuple[int, ...]
    """The same of characters."""
    has_markup: tuple[int, int]
    """Rows without, and with, remnants of HTML or of escapes."""
    character_pairs: tuple[int, ...]
    """Weight of pairs of neighbouring characters by bucket of their hash; each row weighs the same."""

    def of(self, feature: str) -> tuple[int, ...]:
        """Returns the counts of one of `COUNTED`."""
        counts: tuple[int, ...] = getattr(self, feature)
        return counts
