"""What the smoke test found out about an exported model, `report.json` in its output."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Check(_Document):
    """One thing that a model must do before it is pushed."""

    name: str
    passed: bool
    found: str
    """What was measured, with its unit."""
    bound: str
    """What is wanted."""


class SmokeReport(_Document):
    """All checks of one model."""

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
