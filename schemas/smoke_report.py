"""What the smoke test found out about an exported model, `report.json` in its output."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document, Part


class Check(Part):
    """One thing that a model must do before it is pushed."""

    name: str
    passed: bool
    found: str
    """What was measured, with its unit."""
    bound: str
    """What is wanted."""


class ServingCost(Part):
    """What it takes to serve the model in production, measured as that of the candidate is, in the same step."""

    version: str
    latency_ms: float
    """Median time of a request with one text."""
    rows_per_second: float
    """In batches of 64."""
    size_mb: float


class SmokeReport(Document):
    """All checks of one model."""

    FILE: ClassVar = "report.json"

    passed: bool
    """Whether the model may be pushed: all checks ran and passed."""
    skipped: str = ""
    """Why no check ran, or the empty string."""
    checks: tuple[Check, ...] = ()
    load_seconds: float | None = None
    """Time to load the model; null where it did not load, or nothing ran."""
    latency_ms: float | None = None
    """Median time of a request with one text."""
    rows_per_second: float | None = None
    """In batches of 64."""
    size_mb: float | None = None
    peak_rss_mb: float | None = None
    """Memory of the process that served the model."""
    baseline: ServingCost | None = None
    """The model in production beside it; null where there is none, or where it did not answer."""

    @property
    def comparison(self) -> str:
        """Size and time beside those of the model in production; empty where there is nothing to compare."""
        if self.baseline is None or self.latency_ms is None or self.size_mb is None:
            return ""
        return (
            f"it takes {self.latency_ms:.1f} ms for a text and {self.size_mb:,.1f} MB; the baseline "
            f"{self.baseline.version} takes {self.baseline.latency_ms:.1f} ms and {self.baseline.size_mb:,.1f} MB"
        )
