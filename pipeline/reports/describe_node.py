"""A few words on what a finished node found, for the table of a run."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from agnews.components.storage.files_at import files_at
from agnews.schemas.data_card import DataCard
from agnews.schemas.document import Document
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.nodes import NODES
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.smoke_report import SmokeReport
from agnews.schemas.training_record import TrainingRecord

if TYPE_CHECKING:
    from agnews.pipeline.observer import NodeResult


def describe_node(result: NodeResult) -> str:
    """Says what a node found.

    Args:
        result: The node's result; it ended well.

    Returns:
        A few words, or an empty string where there is nothing worth saying.
    """
    outputs = NODES[result.node].outputs if result.node in NODES else ()
    found = ((result.outputs.get(output.key), output.document) for output in outputs)
    words = [_in_words(kind.read(uri.rstrip("/"), files_at(uri).read)) for uri, kind in found if uri and kind]
    return " · ".join(filter(None, words))


@singledispatch
def _in_words(_document: Document) -> str:
    """A document without words of its own: one more `register` below gives it some."""
    return ""


@_in_words.register
def _(card: DataCard) -> str:
    counts = " · ".join(f"{numbers.rows:,} {split}" for split, numbers in card.splits.items())
    if card.spans:
        counts += f" · {len(card.spans)} span{'s' * (len(card.spans) > 1)}"
    return counts + (f" · {card.rejected:,} rejected" if card.rejected else "")


@_in_words.register
def _(training: TrainingRecord) -> str:
    best = next(entry for entry in training.curve if entry["epoch"] == training.best_epoch)
    epoch = f"epoch {best['epoch']:.0f} of {len(training.curve)}"
    return f"eval accuracy {100 * best['val_accuracy']:.2f} % after {epoch}"


@_in_words.register
def _(evaluation: Evaluation) -> str:
    verdict = evaluation.verdict
    word = "promotion forced" if verdict.forced else "blessed" if verdict.blessed else "not blessed"
    return f"test accuracy {100 * evaluation.metrics.accuracy:.2f} % · {word}"


@_in_words.register
def _(outcome: PushOutcome) -> str:
    return f"version {outcome.version}" if outcome.pushed else outcome.reason


@_in_words.register
def _(smoke: SmokeReport) -> str:
    if smoke.latency_ms is None or smoke.size_mb is None:
        return smoke.skipped
    before = (
        f" (before: {smoke.baseline.latency_ms:.0f} ms · {smoke.baseline.size_mb:,.0f} MB)" if smoke.baseline else ""
    )
    return f"{smoke.latency_ms:.0f} ms a text · {smoke.size_mb:,.0f} MB{before}"
