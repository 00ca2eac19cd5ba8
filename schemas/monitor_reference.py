"""`assets.extra/monitor.json`: what texts and answers look like where a model is at home. Counts only, no rows."""

from __future__ import annotations

import base64
import zlib
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agnews.schemas.numbered_form import NumberedForm

MONITOR_FILE = "assets.extra/monitor.json"
"""In the folder of a pushed version."""
MONITOR_FORMAT = 1
"""Number of the form that is written."""


class MonitorReference(NumberedForm):
    """Counts that live texts and answers are compared with.

    Texts are those of the training rows. Answers are those to the test rows, which the model has not learnt from: on
    rows that it has learnt it is surer than it will ever be again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    KNOWN_FORMAT: ClassVar = MONITOR_FORMAT
    WRITTEN: ClassVar = "about a model's training rows"

    format: int = MONITOR_FORMAT
    """Number of the form."""
    rows: int
    """Training texts."""
    alphabet: str
    """The characters that the vocabulary has pieces for; empty where that is not known."""
    word_edges: tuple[int, ...]
    """Numbers of words at which the bins of `words` begin, but for the first."""
    words: tuple[int, ...]
    """Texts by bin of their numbers of words."""
    markup: tuple[int, int]
    """Texts without remnants of markup, and with."""
    unknown: tuple[int, int]
    """Texts all of whose words the vocabulary can spell, and others."""
    grams: tuple[str, str]
    """Occurrences of each bucket of words and pairs of words, uint32, zlib, base64; of the first, third, ... training
    text, and of the others. A classifier that has learnt from one half is tried on the other."""
    test_rows: int
    """Test texts that were answered."""
    classes: tuple[str, ...]
    answers: tuple[int, ...]
    """Test texts by the class that was answered."""
    confidence_edges: tuple[float, ...]
    """Highest probabilities at which the bins of the next two begin, but for the first."""
    confidence: tuple[int, ...]
    """Test texts by bin of their highest probability."""
    right: tuple[int, ...]
    """Of these, those that were answered rightly."""

    def gram_rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns how often each bucket comes up in a text, by the two halves."""
        rows = ((self.rows + 1) // 2, self.rows // 2)
        first, second = (
            np.frombuffer(zlib.decompress(base64.b64decode(half)), "<u4") / max(1, count)
            for half, count in zip(self.grams, rows, strict=True)
        )
        return first, second


def pack_grams(counts: NDArray[np.int64]) -> str:
    """Packs occurrences for `MonitorReference.grams`.

    Args:
        counts: Of each bucket.
    """
    return base64.b64encode(zlib.compress(counts.astype("<u4").tobytes(), 9)).decode()


class FeatureDrift(BaseModel):
    """How far live texts are from the reference in one respect."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feature: str
    """`words`, `markup`, `unknown_words`, `answers`, `confidence`, or `domain`."""
    measure: Literal["total variation", "AUC"]
    """Half the sum of the differences of shares: 0 to 1; or how well live texts can be told from training texts by
    their words: 0.5 (not at all) to 1."""
    value: float
    low: float
    """End of the 95 % interval, and the next the other one."""
    high: float
    p: float
    """How often chance alone makes as large a difference."""
    tolerance: float
    """What is put up with however sure it is."""
    alarm: bool
    """Whether the difference is beyond chance, all looks of a day counted, and beyond the tolerance."""
    detail: str = ""
    """What differs most, in words."""


class Estimate(BaseModel):
    """A share with its 95 % interval."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    value: float
    low: float
    high: float
    rows: int


class MonitorReport(BaseModel):
    """What `agnews monitor` found."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    version: str
    """Of the model."""
    since: str
    until: str
    rows: int
    """Logged texts that this version answered in this time."""
    lost: int
    """Texts that went with servers that were killed."""
    state: Literal["quiet", "alarm", "too few rows"]
    features: tuple[FeatureDrift, ...] = ()
    estimated_accuracy: Estimate | None = None
    """From the probabilities, as far as they were right on the test rows. It holds where texts have changed and what
    they mean has not (covariate shift)."""
    measured_accuracy: Estimate | None = None
    """From labels of the random share."""
    reasons: tuple[str, ...] = ()
    """Why there is an alarm, a sentence each."""
