"""`report.json`: what a run did, for people, scripts and the pages built on it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agnews.schemas.evaluation import Metrics

NodeState = Literal["waiting", "running", "cached", "done", "failed", "skipped"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class DataSummary(_Document):
    """Which rows a run learnt from and was judged on."""

    name: str
    """`sample`, or the corpus' title; a generated sample never goes under a corpus' name."""
    source: str
    rows: dict[str, int]
    """Rows by split."""
    rejected: int
    digest: str


class SpansSummary(_Document):
    """The dated spans of a run, compared with those that the model in production has learnt from."""

    rows: dict[str, int | None]
    """Usable rows by span that the run takes, oldest first; null where the run did not come to read them."""
    since: str | None
    """Version in production when the run started, or null."""
    new: tuple[str, ...]
    """Spans that it has not learnt from."""
    changed: tuple[str, ...]
    """Spans that it has learnt from as they were then."""
    left: tuple[str, ...]
    """Spans that it has learnt from and that are older than those of this run."""
    removed: tuple[str, ...]
    """Spans that it has learnt from and that are missing among those of this run."""
    notes: tuple[str, ...]
    """What was passed over or has to be known, a sentence each."""


class NodeSummary(_Document):
    """What became of one node."""

    state: NodeState
    seconds: float


class ServingSummary(_Document):
    """What it takes to serve the model, as the smoke test measured it; null where it did not get so far."""

    latency_ms: float | None
    """Median time of a request with one text."""
    rows_per_second: float | None
    """In batches of 64."""
    size_mb: float | None
    """On disk."""


class RunReport(_Document):
    """What a run did. Keys that a failed or partial run could not know are null."""

    run_id: str
    command: str
    data: DataSummary | None
    spans: SpansSummary | None = None
    """Null where the data is no folder of dated spans."""
    ended_early: str | None = None
    """Why the run ended well before its first node: nothing is new. Null where it did not."""
    model: dict[str, object]
    """The model's part of the configuration."""
    metrics: Metrics | None
    blessed: bool | None
    forced: bool = False
    """Whether the model is blessed only because somebody asked for it."""
    reasons: tuple[str, ...]
    baseline: str | None
    """Version of the baseline, or null on the first run."""
    pushed_model: str | None
    """Folder of the pushed version, or null."""
    training_curve: tuple[dict[str, float], ...]
    """One entry an epoch."""
    serving: ServingSummary | None = None
    nodes: dict[str, NodeSummary]
    seconds: float
    peak_rss_mb: float
    versions: dict[str, str]
    error: str | None = None
