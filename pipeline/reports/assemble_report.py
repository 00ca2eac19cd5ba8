"""From what the nodes of a run left behind to one report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from agnews.pipeline.reports.installed_versions import installed_versions
from agnews.schemas.corpus import corpus_named
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.run_report import DataSummary, NodeSummary, RunReport, ServingSummary, SpansSummary
from agnews.schemas.smoke_report import SmokeReport

if TYPE_CHECKING:
    from agnews.pipeline.local.observer import NodeResult
    from agnews.schemas.run_config import RunConfig


def assemble_report(
    *,
    run_id: str,
    command: str,
    config: RunConfig,
    results: Mapping[str, NodeResult],
    skipped: Iterable[str],
    seconds: float,
    peak_rss_mb: float,
    error: BaseException | None,
    spans: SpansSummary | None = None,
    ended_early: str | None = None,
) -> RunReport:
    """Puts a report together, also of a run that failed half-way.

    Args:
        run_id: Name of the run.
        command: The command line.
        config: The configuration.
        results: What became of the nodes that ended.
        skipped: Nodes that did not run.
        seconds: Wall time of the run.
        peak_rss_mb: Largest resident memory of the process or of one of its children, in MiB.
        error: What ended the run, or None.
        spans: The spans, without rows; None where the data is no folder of spans.
        ended_early: Why the run ended before its first node, or None.

    Returns:
        The report.
    """
    evaluation = _evaluation(results)
    verdict = evaluation.verdict if evaluation else None
    paired = verdict.paired_test if verdict else None
    pushed = read_output(results, "Pusher", "pushed_model", "pushed.json")
    training = read_output(results, "Trainer", "model_run", "training.json")
    return RunReport(
        run_id=run_id,
        command=command,
        data=_data_summary(config, results),
        spans=_with_rows(spans, results),
        ended_early=ended_early,
        model=config.model.model_dump(mode="json"),
        metrics=evaluation.metrics if evaluation else None,
        blessed=verdict.blessed if verdict else None,
        forced=verdict.forced if verdict else False,
        reasons=verdict.reasons if verdict else (),
        baseline=paired.baseline if paired else None,
        pushed_model=pushed.get("destination") or None,
        training_curve=tuple(training.get("curve", ())),
        serving=_serving(results),
        nodes={
            **{
                node: NodeSummary(state=result.state, seconds=round(result.seconds, 2))
                for node, result in results.items()
            },
            **{node: NodeSummary(state="skipped", seconds=0.0) for node in skipped},
        },
        seconds=round(seconds, 2),
        peak_rss_mb=peak_rss_mb,
        versions=installed_versions(),
        error=_describe(error),
    )


def read_output(results: Mapping[str, NodeResult], node: str, key: str, name: str) -> dict[str, Any]:
    """Reads a JSON document from an output artifact of a node.

    Args:
        results: What became of the nodes.
        node: Id of the node.
        key: Key of the output.
        name: Name of the document in the artifact's folder.

    Returns:
        The document; empty if the node did not end well or was not run.
    """
    uri = results[node].outputs.get(key) if node in results else None
    if uri is None:
        return {}
    path = str(PurePosixPath(uri) / name) if "://" not in uri else f"{uri}/{name}"
    with tf.io.gfile.GFile(path) as file:
        document: dict[str, Any] = json.loads(file.read())
    return document


def _evaluation(results: Mapping[str, NodeResult]) -> Evaluation | None:
    document = read_output(results, "Evaluator", "evaluation", "evaluation.json")
    return Evaluation.model_validate(document) if document else None


def _data_card(results: Mapping[str, NodeResult]) -> DataCard | None:
    document = read_output(results, "NewsExampleGen", "data_card", "report.json")
    return DataCard.model_validate(document) if document else None


def _with_rows(spans: SpansSummary | None, results: Mapping[str, NodeResult]) -> SpansSummary | None:
    card = _data_card(results) if spans else None
    return spans.model_copy(update={"rows": {span.name: span.rows for span in card.spans}}) if spans and card else spans


def _data_summary(config: RunConfig, results: Mapping[str, NodeResult]) -> DataSummary | None:
    card = _data_card(results)
    if card is None:
        return None
    return DataSummary(
        name="sample" if card.is_sample else corpus_named(card.corpus).title,
        source=config.data.source,
        rows={split: numbers.rows for split, numbers in card.splits.items()},
        rejected=card.rejected,
        digest=card.digest,
    )


def _serving(results: Mapping[str, NodeResult]) -> ServingSummary | None:
    document = read_output(results, "SmokeTest", "report", "report.json")
    if not document:
        return None
    smoke = SmokeReport.model_validate(document)
    return ServingSummary(latency_ms=smoke.latency_ms, rows_per_second=smoke.rows_per_second, size_mb=smoke.size_mb)


def _describe(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error) if isinstance(error, AgnewsError) else f"{type(error).__name__}: {error}"
