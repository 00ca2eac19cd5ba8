"""`report.json` of DataGate: what the statistics say about the rows of a run."""

from __future__ import annotations

from typing import ClassVar, Literal

from agnews.schemas.document import Document, Part


class Finding(Part):
    """Something about a feature that the schema does not allow."""

    kind: Literal["anomaly", "skew", "drift"]
    """A broken rule of one split, or too large a distance: skew to the test rows, drift to the last push."""
    where: str
    """The split, or the two samples that were compared."""
    feature: str
    seen: str
    allowed: str
    stops: bool
    """Whether the run ends here; the others are for people to know."""


class Distance(Part):
    """How far the training rows are from another sample, in one feature."""

    kind: Literal["skew", "drift"]
    feature: str
    measure: str
    """`jensen_shannon_distance`, 0 (the same shares) to 1 (nothing in common)."""
    value: float
    threshold: float
    rows: tuple[int, int]
    """Training rows, rows of the other sample."""


class DataCheck(Document):
    """All that the gate found."""

    FILE: ClassVar = "report.json"

    passed: bool
    rows: dict[str, int]
    """By split."""
    findings: tuple[Finding, ...]
    """Those that stop the run first."""
    distances: tuple[Distance, ...]
    """In all features, also the harmless ones."""
    baseline: str | None
    """Version of the model whose training rows drift was measured against, or null where there was none."""
