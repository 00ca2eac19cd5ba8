"""From what the steps of a run wrote down to one report."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.components.report.installed_versions import installed_versions
from agnews.schemas.corpus import corpus_named
from agnews.schemas.data_card import DataCard
from agnews.schemas.run_report import DataSummary, NodeSummary, RunDocuments, RunReport, ServingSummary, SpansSummary
from agnews.schemas.smoke_report import SmokeReport


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
        fingerprint=fingerprint,
        metrics=evaluation.metrics if evaluation else None,
        blessed=verdict.blessed if verdict else None,
        forced=verdict.forced if verdict else False,
        reasons=verdict.reasons if verdict else (),
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
        name="sample" if card.is_sample else corpus_named(card.corpus).title,
        source=card.source,
        rows={split: numbers.rows for split, numbers in card.splits.items()},
        rejected=card.rejected,
        digest=card.digest,
    )


def _serving(smoke: SmokeReport) -> ServingSummary:
    return ServingSummary(latency_ms=smoke.latency_ms, rows_per_second=smoke.rows_per_second, size_mb=smoke.size_mb)
