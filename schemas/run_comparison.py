"""What two runs did on the same test rows, `agnews compare --json`."""

from __future__ import annotations

from agnews.schemas.document import Part
from agnews.schemas.evaluation import Figure, PairedTest


class Flip(Part):
    """A row that one run's model answers rightly and the other's does not."""

    row: int
    """Number of the record in the test file."""
    text: str
    label: str
    first: str | None
    """The first run's answer; null where its probabilities were no distribution."""
    second: str | None


class ClassChange(Part):
    """Recall and precision of a class, first run and second."""

    name: str
    recall: tuple[float, float]
    precision: tuple[float, float]
    won: int
    """Rows of this class that the second run alone has right."""
    lost: int
    """Rows of this class that the first run alone has right."""


class FigureChange(Part):
    """A metric of the first run and of the second; the form is the second run's."""

    first: float
    second: Figure


class RunComparison(Part):
    """The second run against the first."""

    first: str
    """Id of the run."""
    second: str
    test_digest: str
    """sha256 of the test file, the same for both."""
    rows: int
    accuracy: tuple[float, float]
    figures: tuple[FigureChange, ...] = ()
    """Metrics that both runs have."""
    test: PairedTest
    """The second run as the candidate, the first as the baseline."""
    p_value: float
    """Two-sided exact McNemar test: probability of so uneven a split of the flips, or a more uneven one, by chance."""
    alpha: float
    """Level of that test."""
    outcome: str
    """`better`, `worse`, or `no difference` beyond noise, of the second run."""
    classes: tuple[ClassChange, ...]
    won: tuple[Flip, ...]
    """Examples of rows that the second run alone has right, in the order of the file."""
    lost: tuple[Flip, ...]
    """Examples of rows that the first run alone has right."""
    settings: dict[str, tuple[object, object]]
    """Settings that differ, by key; null where a run has none."""
