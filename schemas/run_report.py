"""`report.json`: what a run did, for people, scripts and the pages built on it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from agnews.schemas.data_card import DataCard
from agnews.schemas.data_check import DataCheck
from agnews.schemas.document import Document, Part
from agnews.schemas.evaluation import Evaluation, Metrics
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.prediction_review import PredictionReview
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.smoke_report import SmokeReport
from agnews.schemas.token_check import TokenCheck
from agnews.schemas.training_record import TrainingRecord

NodeState = Literal["waiting", "running", "cached", "done", "failed", "skipped"]


class DataSummary(Part):
    """Which rows a run learnt from and was judged on."""

    name: str
    """`sample`, or the corpus' title; a generated sample never goes under a corpus' name."""
    source: str
    rows: dict[str, int]
    """Rows by split."""
    rejected: int
    digest: str


class SpansSummary(Part):
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


class NodeSummary(Part):
    """What became of one node."""

    state: NodeState
    seconds: float | None
    """Wall time; null where nobody took it."""
    outputs: dict[str, str] = Field(default_factory=dict)
    """URI of each output by its key; none where the node did not end well."""


class ServingSummary(Part):
    """What it takes to serve the model, as the smoke test measured it; null where it did not get so far."""

    latency_ms: float | None
    """Median time of a request with one text."""
    rows_per_second: float | None
    """In batches of 64."""
    size_mb: float | None
    """On disk."""


class RunDocuments(Part):
    """What the steps wrote down, whole. Null is what a failed or partial run has not come to."""

    data_card: DataCard | None = None
    data_check: DataCheck | None = None
    token_check: TokenCheck | None = None
    training: TrainingRecord | None = None
    evaluation: Evaluation | None = None
    review: PredictionReview | None = None
    """Of the predictions on the test split."""
    smoke: SmokeReport | None = None
    push: PushOutcome | None = None
    baseline: ModelRecord | None = None
    """The model in production that the run's own was compared with."""


class RunReport(Document):
    """What a run did. Keys that a failed or partial run could not know are null.

    The figures that most readers want stand on top; they are taken from `documents`, which has everything.
    """

    FILE: ClassVar = "report.json"

    run_id: str
    command: str | None
    """The command line; null on a cluster."""
    data: DataSummary | None
    spans: SpansSummary | None = None
    """Null where the data is no folder of dated spans."""
    ended_early: str | None = None
    """Why the run ended well before its first node: nothing is new. Null where it did not."""
    model: dict[str, object]
    """The model's part of the configuration."""
    settings: dict[str, object] = Field(default_factory=dict)
    """The other parts of the configuration; on a cluster those that the Trainer took."""
    setting_reasons: dict[str, str] = Field(default_factory=dict)
    """Why a setting is what it is, by its dotted key: those that the description of the corpus chose."""
    fingerprint: str | None = None
    """Digest of data, configuration and code; null on a cluster."""
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
    seconds: float | None
    peak_rss_mb: float | None
    versions: dict[str, str]
    error: str | None = None
    documents: RunDocuments = RunDocuments()
