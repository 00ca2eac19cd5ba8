"""From what the steps of a run wrote down to one report."""

from __future__ import annotations

import platform
import posixpath
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple, get_args

import pyarrow as pa

from agnews.components.evaluator.answered_rows import open_predictions
from agnews.components.model_store.baseline_at import baseline_at
from agnews.components.report.review_predictions import review_predictions
from agnews.components.report.review_sets import review_sets
from agnews.components.storage.files_at import files_at
from agnews.schemas.data_card import DataCard
from agnews.schemas.evaluation import Evaluation, Verdict
from agnews.schemas.features import TEST
from agnews.schemas.nodes import NODES
from agnews.schemas.prediction_review import PredictionReview
from agnews.schemas.predictions import FILE, LABEL
from agnews.schemas.run_report import DataSummary, NodeSummary, RunDocuments, RunReport, ServingSummary, SpansSummary
from agnews.schemas.smoke_report import SmokeReport

PACKAGES = (
    "agnews",
    "tfx",
    "tensorflow",
    "tf-keras",
    "tensorflow-text",
    "tensorflow-transform",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-hub",
    "tf-models-official",
    "ml-metadata",
    "apache-beam",
    "kfp",
)


def installed_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a result depends on.

    Returns:
        Version by name; a package that is absent is `missing`.
    """
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def assemble_report(
    documents: RunDocuments,
    *,
    run_id: str,
    model: Mapping[str, object],
    settings: Mapping[str, object],
    nodes: Mapping[str, NodeSummary],
    command: str | None = None,
    fingerprint: str | None = None,
    spans: SpansSummary | None = None,
    ended_early: str | None = None,
    seconds: float | None = None,
    peak_rss_mb: float | None = None,
    error: str | None = None,
    setting_reasons: Mapping[str, str] | None = None,
) -> RunReport:
    """Puts a report together, also of a run that failed half-way.

    Args:
        documents: What the steps wrote down.
        run_id: Name of the run.
        model: The model's part of the configuration.
        settings: Its other parts.
        nodes: What became of each node.
        command: The command line, if there was one.
        fingerprint: Digest of data, configuration and code, where it is known.
        spans: The spans, without rows; None where the data is no folder of spans.
        ended_early: Why the run ended before its first node, or None.
        seconds: Wall time of the run, where it is known.
        peak_rss_mb: Largest resident memory of the process or of one of its children, in MiB, where it is known.
        error: What ended the run, or None.
        setting_reasons: Why settings are what they are, by dotted key, where that is known.

    Returns:
        The report.
    """
    evaluation, card = documents.evaluation, documents.data_card
    verdict = evaluation.verdict if evaluation else None
    paired = verdict.paired_test if verdict else None
    return RunReport(
        run_id=run_id,
        command=command,
        data=_data_summary(card) if card else None,
        spans=_with_rows(spans, card),
        ended_early=ended_early,
        model=dict(model),
        settings=dict(settings),
        setting_reasons=dict(setting_reasons or {}),
        fingerprint=fingerprint,
        metrics=evaluation.metrics if evaluation else None,
        blessed=verdict.blessed if verdict else None,
        forced=verdict.forced if verdict else False,
        reasons=_reasons(verdict, documents.smoke),
        baseline=paired.baseline if paired else None,
        pushed_model=(documents.push.destination or None) if documents.push else None,
        training_curve=documents.training.curve if documents.training else (),
        serving=_serving(documents.smoke) if documents.smoke else None,
        nodes=dict(nodes),
        seconds=seconds,
        peak_rss_mb=peak_rss_mb,
        versions=installed_versions(),
        error=error,
        documents=documents,
    )


def _with_rows(spans: SpansSummary | None, card: DataCard | None) -> SpansSummary | None:
    return spans.model_copy(update={"rows": {span.name: span.rows for span in card.spans}}) if spans and card else spans


def _data_summary(card: DataCard) -> DataSummary:
    return DataSummary(
        name="sample" if card.is_sample else card.title or card.corpus,
        source=card.source,
        rows={split: numbers.rows for split, numbers in card.splits.items()},
        rejected=card.rejected,
        digest=card.digest,
    )


def _reasons(verdict: Verdict | None, smoke: SmokeReport | None) -> tuple[str, ...]:
    """The verdict, and what the model costs beside the one in production: measured later, and for people to weigh."""
    if verdict is None:
        return ()
    return (*verdict.reasons, smoke.comparison) if smoke and smoke.comparison else verdict.reasons


def _serving(smoke: SmokeReport) -> ServingSummary:
    return ServingSummary(latency_ms=smoke.latency_ms, rows_per_second=smoke.rows_per_second, size_mb=smoke.size_mb)


class Headline(NamedTuple):
    """The first thing that anybody wants to know.

    Attributes:
        words: The decision.
        detail: One sentence more, or the empty string.
        tone: Whether it is good news.
    """

    words: str
    detail: str
    tone: Literal["good", "bad", "plain"]


def headline(report: RunReport) -> Headline:
    """Puts the outcome of a run into words.

    Args:
        report: Of any run.

    Returns:
        The words.
    """
    push = report.documents.push
    if report.error == "interrupted":
        return Headline("Interrupted", "The same command goes on at the step that was cut.", "bad")
    if report.error is not None:
        failed = next((name for name, node in report.nodes.items() if node.state == "failed"), None)
        return Headline(f"Failed in {failed}" if failed else "Failed", "", "bad")
    if report.ended_early is not None:
        return Headline("Nothing new", report.ended_early, "plain")
    if report.blessed is None:
        last = [name for name, node in report.nodes.items() if node.state in {"done", "cached"}]
        detail = f"It ended with {last[-1]}, as it was asked to." if last else ""
        return Headline("Not judged: a part of a run", detail, "plain")
    if not report.blessed:
        return Headline("Not blessed", "The model was not pushed.", "bad")
    words = "Promotion forced" if report.forced else "Blessed"
    if push is None:
        return Headline(words, "The run ended before the push.", "plain")
    pushed = f"{words} and pushed" if push.pushed and not report.forced else words
    return Headline(pushed, f"{push.reason[0].upper()}{push.reason[1:]}.", "good" if push.pushed else "bad")


def read_documents(uris: Mapping[tuple[str, str], str]) -> RunDocuments:
    """Reads what the steps of a run wrote down.

    Args:
        uris: URIs of output artifacts by node and key, of nodes that ended well; others are not there.

    Returns:
        The documents; what is not there is None.
    """
    fields = {kind: name for name, field in RunDocuments.model_fields.items() for kind in get_args(field.annotation)}
    documents: dict[str, object] = {}
    for node, row in NODES.items():
        for output in row.outputs:
            uri, kind = uris.get((node, output.key)), output.document
            if uri is not None and kind is not None and kind in fields:
                documents[fields[kind]] = kind.read(uri, files_at(uri).read)
    evaluation = documents.get("evaluation")
    if (uri := uris.get(("Evaluator", "predictions"))) and isinstance(evaluation, Evaluation):
        documents["review"] = _review(uri, [each.name for each in evaluation.metrics.per_class])
    if uri := uris.get(("BaselineModel", "model")):
        found = baseline_at(uri)
        documents["baseline"] = found.record if found else None
    return RunDocuments.model_validate(documents)


def _review(uri: str, class_names: Sequence[str]) -> PredictionReview:
    path = posixpath.join(uri, FILE.format(split=TEST))
    file = open_predictions(path)
    if pa.types.is_list(file.schema_arrow.field(LABEL).type):
        return review_sets(file.read(), class_names)
    return review_predictions(file, class_names)
