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
