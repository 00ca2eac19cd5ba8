"""Models of all kinds in a process that has TensorFlow and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.components.smoke_test.try_model import run_probe
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.smoke_report import SmokeReport

AG_NEWS = packaged_corpus()

pytestmark = pytest.mark.integration

ExportModel = Callable[..., Path]
BOUNDS = {
    "corpus": packaged_corpus().canonical(),
    "max_latency_ms": 5000.0,
    "max_size_mb": 100.0,
    "timeout_seconds": 300.0,
    "code_version": "",
}


@pytest.fixture
def smoke_test(tmp_path: Path) -> Callable[..., SmokeReport]:
    """Runs the executor on a model; gives back its report."""

    def run(model: Path, *, blessed: bool = True, baseline: Path | None = None, **bounds: Any) -> SmokeReport:
        from tfx.types import standard_artifacts

        from agnews.components.artifact_types import StepReport
        from agnews.components.smoke_test.executor import Executor

        for name in ("model", "blessing", "baseline"):
            (tmp_path / name).mkdir()
        if baseline is not None:
            store = ModelStore(str(tmp_path / "store"), "agnews")
            pushed = publish(
                store,
                model=str(baseline),
                extra_files={},
                judged_against="",
                fingerprint="f",
                run_id="r",
                accuracy=0.9,
                classes=packaged_corpus().class_names,
            )
            store.fetch(pushed.record.version, str(tmp_path / "baseline" / "Format-Serving"))
        (tmp_path / "model" / "Format-Serving").symlink_to(model)
        (tmp_path / "blessing" / ("BLESSED" if blessed else "NOT_BLESSED")).touch()

        def artifact(kind: Any, name: str) -> list[Any]:
            made = kind()
            made.uri = str(tmp_path / name)
            return [made]

        Executor().Do(
            {
                "model": artifact(standard_artifacts.Model, "model"),
                "blessing": artifact(standard_artifacts.ModelBlessing, "blessing"),
                "baseline": artifact(standard_artifacts.Model, "baseline"),
            },
            {"report": artifact(StepReport, "report")},
            {**BOUNDS, **bounds},
        )
        return SmokeReport.model_validate_json((tmp_path / "report" / "report.json").read_text())

    return run


def test_a_servable_model_passes(smoke_test: Any, export_model: ExportModel) -> None:
    report = smoke_test(export_model())

    assert report.passed
    assert len(report.checks) == 13
    assert report.latency_ms > 0
    assert report.rows_per_second > 0


def test_size_and_time_stand_beside_those_of_the_model_in_production(
    smoke_test: Any, export_model: ExportModel
) -> None:
    model = export_model()
    report = smoke_test(model, baseline=model)

    assert report.baseline.size_mb == report.size_mb
    assert 0 < report.baseline.latency_ms < 100 * report.latency_ms
    assert report.baseline.version in report.comparison
    assert f"{report.latency_ms:.1f} ms" in report.comparison


def test_a_baseline_that_does_not_answer_is_no_matter_of_the_candidate(
    smoke_test: Any, export_model: ExportModel, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"no graph")
    report = smoke_test(export_model(), baseline=tmp_path / "broken")

    assert report.passed
    assert report.baseline is None
    assert report.comparison == ""


def test_a_model_that_was_not_blessed_is_not_tried(smoke_test: Any, tmp_path: Path) -> None:
    report = smoke_test(tmp_path / "there is no model", blessed=False)

    assert not report.passed
    assert "not blessed" in report.skipped
    assert report.checks == ()


def test_a_flaw_fails_the_step_and_is_named(smoke_test: Any, export_model: ExportModel, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="cannot be served") as caught:
        smoke_test(export_model(flaw="unstable"))

    assert caught.value.exit_code == ExitCode.FAILED
    assert "deterministic: largest difference" in str(caught.value.found)
    report = SmokeReport.model_validate_json((tmp_path / "report" / "report.json").read_text())
    assert not report.passed


def test_a_folder_without_a_model_fails_with_the_last_words_of_the_process(smoke_test: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(AgnewsError, match="cannot be served") as caught:
        smoke_test(tmp_path / "empty")

    assert "loads: exit code 1" in str(caught.value.found)
    assert "SavedModel file does not exist" in str(caught.value.found)


def test_a_model_that_never_answers_is_given_up(export_model: ExportModel) -> None:
    assert run_probe(str(export_model()), golden=[b"a"], odd=[], timeout_seconds=0.5) == {
        "error": "no answer within 0.5 seconds"
    }


def test_golden_texts_name_every_class_equally() -> None:
    names = [name for name, _ in AG_NEWS.golden_pairs]

    assert {names.count(name) for name in AG_NEWS.class_names} == {5}
    assert set(names) == set(AG_NEWS.class_names)
    assert len({text for _, text in AG_NEWS.golden_pairs}) == 20
