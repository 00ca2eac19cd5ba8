"""`linear_check.json` of LinearBaseline: what a linear model answers on the test split."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from pydantic import Field

from agnews.schemas.document import Document, Part

DOUBTS_FILE = "doubtful_labels.jsonl"
"""Beside `linear_check.json`: a `DoubtfulLabel` a line, texts whole, the most doubtful first. A report shows fewer."""


class DoubtfulLabel(Part):
    """A training row whose label looks wrong."""

    text: str
    """As it stands in the rows; in a report, the end of a long one is cut off."""
    label: str
    """Class that it has."""
    answer: str
    """Class that a model gives which has learnt from other rows only."""
    label_probability: float
    answer_probability: float


class LabelDoubts(Part):
    """What is doubtful about the labels of the training rows."""

    rows: int
    """That were looked at."""
    in_all: int
    """Those among them whose label looks wrong."""
    worst: tuple[DoubtfulLabel, ...]
    """Some of these, the most doubtful first."""


class LinearCheck(Document):
    """Answers of a linear model."""

    FILE: ClassVar = "linear_check.json"

    skipped: str = ""
    """Why there are no answers; empty where there are some."""
    train_rows: int = 0
    """Rows that it has learnt from."""
    accuracy: float | None = None
    """On the test split."""
    answers: dict[str, int | tuple[int, ...]] = Field(default_factory=dict)
    """Classes by `digest_text` of the texts of the test split; where a text has several, all that it is given."""
    labels: LabelDoubts | None = None
    """Of the training rows; None where nobody looked."""

    def answer(self, text: bytes) -> int | tuple[int, ...]:
        """Returns the class of a text, or its classes; -1 for one that is not in the test split.

        Args:
            text: UTF-8.
        """
        return self.answers.get(digest_text(text), -1)


def digest_text(text: bytes) -> str:
    """Returns what stands for a text: the same text always gets the same answer.

    Args:
        text: UTF-8.
    """
    return hashlib.blake2b(text, digest_size=8).hexdigest()
