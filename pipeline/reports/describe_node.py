"""A few words on what a finished node found, for the table of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agnews.components.storage.files_at import files_at

if TYPE_CHECKING:
    from agnews.pipeline.local.local_runner import NodeResult
from collections.abc import Callable, Mapping

from agnews.schemas.data_card import DataCard
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.smoke_report import SmokeReport


def read_output(result: NodeResult, key: str, name: str) -> dict[str, Any]:
    """Reads a JSON document from an output artifact of a node.

    Args:
        result: What became of the node; it ended well.
        key: Key of the output.
        name: Name of the document in the artifact's folder.

    Returns:
        The document.
    """
    path = f"{result.outputs[key].rstrip('/')}/{name}"
    document: dict[str, Any] = json.loads(b"".join(files_at(path).read(path)))
    return document


def describe_node(result: NodeResult) -> str:
    """Says what a node found.

    Args:
        result: The node's result; it ended well.

    Returns:
        A few words, or an empty string where there is nothing worth saying.
    """
    if result.node not in _SOURCES:
        return ""
    key, name, words = _SOURCES[result.node]
    return words(read_output(result, key, name))


def _rows(document: Mapping[str, Any]) -> str:
    card = DataCard.model_validate(document)
    counts = " · ".join(f"{numbers.rows:,} {split}" for split, numbers in card.splits.items())
    if card.spans:
        counts += f" · {len(card.spans)} span{'s' * (len(card.spans) > 1)}"
    return counts + (f" · {card.rejected:,} rejected" if card.rejected else "")


def _training(training: Mapping[str, Any]) -> str:
    curve = training["curve"]
    best = next(entry for entry in curve if entry["epoch"] == training["best_epoch"])
    return f"eval accuracy {100 * best['val_accuracy']:.2f} % after epoch {best['epoch']:.0f} of {len(curve)}"


def _evaluation(evaluation: Mapping[str, Any]) -> str:
    verdict = evaluation["verdict"]
    word = "promotion forced" if verdict["forced"] else "blessed" if verdict["blessed"] else "not blessed"
    return f"test accuracy {100 * evaluation['metrics']['accuracy']:.2f} % · {word}"


def _push(document: Mapping[str, Any]) -> str:
    outcome = PushOutcome.model_validate(document)
    return f"version {outcome.version}" if outcome.pushed else outcome.reason


def _serving(document: Mapping[str, Any]) -> str:
    smoke = SmokeReport.model_validate(document)
    if smoke.latency_ms is None or smoke.size_mb is None:
        return smoke.skipped
    return f"{smoke.latency_ms:.0f} ms a text · {smoke.size_mb:,.0f} MB"


_SOURCES: Mapping[str, tuple[str, str, Callable[[Mapping[str, Any]], str]]] = {
    "NewsExampleGen": ("data_card", "report.json", _rows),
    "Trainer": ("model_run", "training.json", _training),
    "Evaluator": ("evaluation", "evaluation.json", _evaluation),
    "SmokeTest": ("report", "report.json", _serving),
    "Pusher": ("pushed_model", "pushed.json", _push),
}
