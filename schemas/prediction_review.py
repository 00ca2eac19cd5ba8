"""What the predictions on the test split show beyond the figures: calibration, mistakes, doubtful labels."""

from __future__ import annotations

from agnews.schemas.document import Part


class CalibrationBin(Part):
    """Rows whose top class got a probability in `(low, high]`."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean probability of the top class."""
    accuracy: float
    """Share of the rows on which the top class is the label."""


class CoveragePoint(Part):
    """What would come of giving answers from a probability on, and none below."""

    threshold: float
    coverage: float
    """Share of the rows that are answered."""
    precision: float
    """Share of right answers among them."""


class DoubtfulRow(Part):
    """A row on which model and label disagree."""

    row: int
    """Number of the record in the test file."""
    text: str
    """As it stands in the file; the end of a long one is cut off."""
    label: str
    """Class that the file gives."""
    answer: str
    """Class that the model gives."""
    label_probability: float
    answer_probability: float


class PredictionReview(Part):
    """All that was found in the predictions of one split."""

    rows: int
    calibration: tuple[CalibrationBin, ...]
    """Bins of equal width that have rows, by rising probability."""
    coverage: tuple[CoveragePoint, ...] = ()
    """By rising coverage; the last one answers every row. Empty in what was written before there was a curve."""
    mistakes: tuple[DoubtfulRow, ...]
    """The most confident ones, the most confident first."""
    mistakes_in_all: int
    doubtful_labels: tuple[DoubtfulRow, ...]
    """Rows whose label looks wrong, the most doubtful first, without those that are among `mistakes`."""
    doubtful_labels_in_all: int
    lost: tuple[DoubtfulRow, ...]
    """Rows that the baseline answers rightly and this model does not, the most confident first."""
