"""Runs and versions in MLflow, as a real server of it shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_registry.mlflow_registry import follow_production
from agnews.pipeline.tracking.log_run import log_run
from agnews.schemas.evaluation import Figure, Metrics
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import RunDocuments, RunReport

pytestmark = pytest.mark.integration

# The server is shared with other tests, which register under the name that comes along.
NAME = "followed"


@pytest.fixture
def client(mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    mlflow = pytest.importorskip("mlflow", reason="the extra agnews[mlflow] is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    return mlflow.MlflowClient(mlflow_server, mlflow_server)


def record(version: str, accuracy: float = 0.9) -> ModelRecord:
    return ModelRecord(
        version=version,
        name=NAME,
        run_id=f"run-{version}",
        pushed_at=datetime.now(UTC),
        model_digest=version * 4,
        fingerprint="",
        judged_against="",
        accuracy=accuracy,
        classes=("a", "b"),
    )


def test_aliases_follow_pushes_and_rollbacks(client: Any, tmp_path: Path) -> None:
    first, second = record("17"), record("18", 0.92)

    def aliases() -> dict[str, str]:
        found = client.get_registered_model(NAME).aliases
        return {alias: client.get_model_version(NAME, number).tags["agnews.version"] for alias, number in found.items()}

    assert follow_production(first, None, folder=str(tmp_path / "17")) == ""
    assert aliases() == {"champion": "17"}
    assert follow_production(second, first, folder=str(tmp_path / "18"), folder_before=str(tmp_path / "17")) == ""
    assert aliases() == {"champion": "18", "previous": "17"}
    # The same again, and a rollback.
    assert follow_production(second, first, folder="s3://bucket/18", folder_before="s3://bucket/17") == ""
    assert follow_production(first, second, folder="s3://bucket/17", folder_before="s3://bucket/18") == ""
    assert aliases() == {"champion": "17", "previous": "18"}
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2
    version = client.get_model_version_by_alias(NAME, "previous")
    assert version.tags["agnews.folder"] == str(tmp_path / "18")
    assert version.tags["agnews.accuracy"] == "0.920000"


def report(**keys: Any) -> RunReport:
    figures = tuple(
        Figure(name=name, title=name, value=value, shown="percent", better="higher")
        for name, value in (("accuracy", 0.91), ("log_loss", 0.3))
    )
    metrics = Metrics(
        count=400, accuracy=0.91, macro_f1=0.9, ece=0.02, figures=figures, per_class=(), confusion_matrix=()
    )
    push = PushOutcome(pushed=True, reason="pushed", version="18")
    fields: dict[str, Any] = {
        "run_id": "20261129T010203-abcd",
        "command": "agnews run",
        "data": None,
        "model": {"kind": "transformer", "hidden_dim": 64},
        "settings": {"training": {f"setting_{number}": number for number in range(130)}},
        "fingerprint": "f",
        "metrics": metrics,
        "blessed": True,
        "reasons": ("all is well",),
        "baseline": None,
        "pushed_model": None,
        "training_curve": ({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": 0.3}),
        "nodes": {},
        "seconds": 12.5,
        "peak_rss_mb": None,
        "versions": {},
        "documents": RunDocuments(push=push),
    }
    return RunReport(**{**fields, **keys})


def test_a_run_has_its_parameters_metrics_and_report(client: Any, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<html>")

    assert log_run(report(), experiment="news", files=(page, tmp_path / "nothing")) == ""
    assert log_run(report(run_id="another", error="no such file", metrics=None), experiment="news") == ""

    experiment = client.get_experiment_by_name("news").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    run = runs["20261129T010203-abcd"]
    assert run.info.status == "FINISHED"
    assert (run.data.params["model.hidden_dim"], run.data.params["training.setting_129"]) == ("64", "129")
    assert (run.data.metrics["accuracy"], run.data.metrics["seconds"]) == (0.91, 12.5)
    assert [each.value for each in client.get_metric_history(run.info.run_id, "epoch.loss")] == [0.5, 0.3]
    assert (run.data.tags["agnews.version"], run.data.tags["agnews.verdict"]) == ("18", "all is well")
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["report.html"]
    assert (runs["another"].info.status, runs["another"].data.tags["agnews.error"]) == ("FAILED", "no such file")


def test_nobody_there_fails_nothing_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the extra agnews[mlflow] is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    assert "Connection" in follow_production(record("17"), None, folder="/models/17")
    assert "Connection" in log_run(report(), experiment="news")


def test_without_the_variable_mlflow_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("agnews.components.model_registry.mlflow_registry.mlflow_client", None)

    assert follow_production(record("17"), None, folder="/models/17") == ""
    assert log_run(report(), experiment="news") == ""
