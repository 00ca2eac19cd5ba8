"""The report of a run on this machine, whatever became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agnews.components.report.assemble_report import assemble_report, read_documents
from agnews.pipeline.setting_reasons import setting_reasons
from agnews.schemas.run_report import NodeSummary, RunReport, SpansSummary

if TYPE_CHECKING:
    from agnews.pipeline.observer import NodeResult
    from agnews.schemas.run_config import RunConfig


def report_run(
    *,
    run_id: str,
    command: str,
    config: RunConfig,
    fingerprint: str | None,
    results: Mapping[str, NodeResult],
    skipped: Iterable[str],
    seconds: float,
    peak_rss_mb: float,
    error: str | None,
    spans: SpansSummary | None = None,
    ended_early: str | None = None,
) -> RunReport:
    """Puts a report together, also of a run that failed half-way.

    Args:
        run_id: Name of the run.
        command: The command line.
        config: The configuration.
        fingerprint: Digest of data, configuration and code; None where the data could not be read.
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
    uris = {
        (node, key): uri
        for node, result in results.items()
        # What stopped a run is what its report is read for.
        for key, uri in {**result.left, **result.outputs}.items()
    }
    settings = config.model_dump(mode="json")
    return assemble_report(
        read_documents(uris),
        run_id=run_id,
        command=command,
        model=settings.pop("model"),
        settings=settings,
        setting_reasons=setting_reasons(config),
        fingerprint=fingerprint,
        nodes={
            **{
                node: NodeSummary(state=result.state, seconds=round(result.seconds, 2), outputs=dict(result.outputs))
                for node, result in results.items()
            },
            **{node: NodeSummary(state="skipped", seconds=0.0) for node in skipped},
        },
        spans=spans,
        ended_early=ended_early,
        seconds=round(seconds, 2),
        peak_rss_mb=peak_rss_mb,
        error=error,
    )
