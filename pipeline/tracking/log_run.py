"""A run in MLflow: parameters, metrics, report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from agnews.components.model_registry.mlflow_registry import tell_mlflow
from agnews.components.report.flatten_settings import flatten_settings
from agnews.schemas.run_report import RunReport

_LONGEST = 500
"""Characters of a parameter."""
_AT_ONCE = 100
"""Parameters or metrics in one request."""


def log_run(report: RunReport, *, experiment: str, files: tuple[Path, ...] = ()) -> str:
    """Logs a run where the environment names a server, and never fails.

    Args:
        report: Of the run.
        experiment: Name of the experiment.
        files: What goes along as artifacts.

    Returns:
        Why it is not there; empty where it is, or where nobody asked for it.
    """
    return tell_mlflow(lambda client: _log(client, report, experiment, files), otherwise="The run is not in MLflow")


def _log(client: Any, report: RunReport, experiment: str, files: tuple[Path, ...]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    known = client.get_experiment_by_name(experiment)
    experiment_id = known.experiment_id if known is not None else client.create_experiment(experiment)
    run = client.create_run(experiment_id, run_name=report.run_id, tags=_tags(report)).info
    settings = flatten_settings({"model": report.model, **report.settings})
    params = [Param(name, str(value)[:_LONGEST]) for name, value in settings.items()]
    now = run.start_time
    metrics = [Metric(name, value, now, 0) for name, value in _figures(report).items() if math.isfinite(value)]
    for epoch, entry in enumerate(report.training_curve, 1):
        metrics += [
            Metric(f"epoch.{name}", value, now, epoch)
            for name, value in entry.items()
            if name != "epoch" and math.isfinite(value)
        ]
    for start in range(0, max(len(params), len(metrics)), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        client.log_batch(run.run_id, metrics=metrics[part], params=params[part])
    for file in files:
        if file.is_file():
            client.log_artifact(run.run_id, str(file))
    if report.reasons:
        client.log_batch(run.run_id, tags=[RunTag("agnews.verdict", "; ".join(report.reasons)[:4000])])
    client.set_terminated(run.run_id, "FAILED" if report.error else "FINISHED")


def _tags(report: RunReport) -> dict[str, str]:
    push = report.documents.push
    tags = {
        "agnews.run": report.run_id,
        "agnews.fingerprint": report.fingerprint or "",
        "agnews.data": report.data.digest if report.data else "",
        "agnews.blessed": "" if report.blessed is None else str(report.blessed).lower(),
        "agnews.version": push.version if push else "",
        "agnews.error": (report.error or "")[:1000],
    }
    return {name: value for name, value in tags.items() if value}


def _figures(report: RunReport) -> dict[str, float]:
    figures: dict[str, float] = {}
    if report.metrics is not None:
        figures |= {figure.name: figure.value for figure in report.metrics.figures}
        figures["test_rows"] = float(report.metrics.count)
    if report.serving is not None:
        named = report.serving.model_dump()
        figures |= {name: float(value) for name, value in named.items() if value is not None}
    if report.seconds is not None:
        figures["seconds"] = report.seconds
    return figures
