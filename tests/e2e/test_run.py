"""What users rely on over several runs in one root. The tests build on each other, in this order."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.rollback import rollback
from agnews.pipeline.code_version import code_versions
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_report import RunReport

pytestmark = pytest.mark.e2e

Run = Callable[..., RunReport]


def _states(report: RunReport) -> Mapping[str, str]:
    return {name: node.state for name, node in report.nodes.items()}


def _first_not_cached(report: RunReport) -> str:
    return next(name for name, state in _states(report).items() if state != "cached")


@pytest.fixture(scope="module")
def first(run: Run) -> RunReport:
    return run()


def test_a_first_run_ends_with_a_tested_and_pushed_model(first: RunReport) -> None:
    assert set(_states(first).values()) == {"done"}
    assert first.blessed
    assert first.baseline is None
    assert first.data is not None
    assert first.data.name == "sample"
    assert first.data.rows.keys() == {"train", "eval", "test"}
    assert first.pushed_model is not None
    assert (Path(first.pushed_model) / "saved_model.pb").is_file()
    assert "generated text" in (Path(first.pushed_model) / "assets.extra" / "model_card.md").read_text()
    assert Path(first.nodes["Report"].outputs["page"], "report.html").is_file()
    pointer = json.loads((Path(first.pushed_model).parent / "latest.json").read_text())
    assert pointer["version"] == Path(first.pushed_model).name
    assert pointer["run_id"] == first.run_id
    assert len(first.training_curve) == 3


def test_the_figures_of_the_report_agree_with_each_other(first: RunReport) -> None:
    metrics = first.metrics
    assert metrics is not None
    assert first.data is not None
    matrix = metrics.confusion_matrix
    assert sum(map(sum, matrix)) == metrics.count == first.data.rows["test"]
    assert metrics.accuracy == pytest.approx(sum(matrix[i][i] for i in range(4)) / metrics.count)
    assert metrics.macro_f1 == pytest.approx(sum(row.f1 for row in metrics.per_class) / 4)


def test_an_identical_run_is_all_cached_and_says_the_same(run: Run, first: RunReport) -> None:
    second = run()
    assert set(_states(second).values()) == {"cached"}
    assert second.metrics == first.metrics
    assert second.blessed
    assert second.pushed_model == first.pushed_model


def test_an_identical_run_loads_neither_tensorflow_nor_tfx(
    root: Path, quick: tuple[str, ...], first: RunReport
) -> None:
    settings = [word for setting in quick for word in ("--set", setting)]
    code = (
        "import sys; from agnews.pipeline.cli.main import app\n"
        f"try: app(['run', '--root', {str(root)!r}, *{settings!r}])\n"
        "except SystemExit as end:\n"
        "    heavy = {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata'} & set(sys.modules)\n"
        "    print('ENDED', end.code, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ENDED 0 []" in done.stdout, done.stderr
    assert f"model     {first.pushed_model}" in done.stderr + done.stdout


def test_tfx_answers_an_identical_run_that_nobody_wrote_down(root: Path, run: Run, first: RunReport) -> None:
    shutil.rmtree(root / "same_runs")
    assert set(_states(run()).values()) == {"cached"}


def test_an_identical_run_whose_files_have_changed_is_not_taken_for_whole(run: Run, first: RunReport) -> None:
    run()
    evaluation = Path(first.nodes["Evaluator"].outputs["evaluation"], "evaluation.json")
    content = evaluation.read_bytes()
    evaluation.write_bytes(content[:-1])
    assert _first_not_cached(run()) == "Evaluator"


def test_a_changed_line_of_preprocessing_reruns_from_transform(
    run: Run, first: RunReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {**code_versions(), "Transform": "changed"}
    monkeypatch.setattr("agnews.pipeline.local.run_locally.code_versions", lambda: versions)
    third = run(to_node="TokenGate")
    assert _states(third)["NewsExampleGen"] == "cached"
    assert _states(third)["StatisticsGen"] == "cached"
    assert _states(third)["Transform"] == "done"
    assert _states(third)["Trainer"] == "skipped"
    assert third.blessed is None


def test_a_worse_model_is_not_pushed_and_the_reasons_are_told(run: Run, first: RunReport) -> None:
    report = run("training.learning_rate=1e-7")
    states = _states(report)
    assert {states[name] for name in ("NewsExampleGen", "StatisticsGen", "Transform", "TokenGate")} == {"cached"}
    assert states["Trainer"] == "done"
    assert report.blessed is False
    assert report.reasons
    assert report.pushed_model is None
    assert first.pushed_model is not None
    assert report.baseline == Path(first.pushed_model).name
    assert json.loads((Path(first.pushed_model).parent / "latest.json").read_text())["run_id"] == first.run_id


def test_from_a_node_runs_it_anew(run: Run, first: RunReport) -> None:
    report = run(from_node="Evaluator")
    states = _states(report)
    assert states["Trainer"] == "cached"
    assert states["Evaluator"] == states["SmokeTest"] == states["Pusher"] == "done"
    assert report.metrics == first.metrics
    assert report.pushed_model == first.pushed_model, "the same model is not pushed twice"


def test_a_deleted_push_is_made_again(run: Run, first: RunReport) -> None:
    import shutil

    assert first.pushed_model is not None
    shutil.rmtree(Path(first.pushed_model).parent)
    report = run()
    assert report.pushed_model is not None
    assert (Path(report.pushed_model) / "saved_model.pb").is_file()
    assert _states(report)["Trainer"] == "cached"


def test_a_model_that_was_rolled_back_from_stays_away_until_it_is_called_back(run: Run, first: RunReport) -> None:
    settings = ("training.learning_rate=2e-3", "evaluation.force_promotion=true")
    second = run(*settings)
    assert second.pushed_model is not None
    pushed = Path(second.pushed_model)
    store = ModelStore(str(pushed.parent.parent), pushed.parent.name)
    earlier = rollback(store).after

    again = run(*settings)

    assert _first_not_cached(again) == "Pusher"
    assert again.pushed_model is None
    assert store.production() == earlier
    assert store.versions() == (earlier.version, pushed.name)

    rollback(store, pushed.name)
    once_more = run(*settings)

    assert once_more.pushed_model == second.pushed_model
    assert set(_states(once_more).values()) == {"cached"}


def test_a_forced_promotion_is_pushed_and_told(run: Run, first: RunReport) -> None:
    report = run("evaluation.min_accuracy=0.999", "evaluation.force_promotion=true")
    states = _states(report)
    assert states["Trainer"] == "cached"
    assert states["Evaluator"] == states["SmokeTest"] == states["Pusher"] == "done"
    assert report.blessed
    assert report.forced
    assert report.reasons[0].startswith("promotion was forced, against ")
    assert "min_accuracy" in report.reasons[0]
    assert report.pushed_model is not None
    record = json.loads((Path(report.pushed_model).parent / "latest.json").read_text())
    assert record["version"] == Path(report.pushed_model).name
    assert "min_accuracy" in record["overruled"]


def test_no_force_pushes_what_cannot_be_served(run: Run, first: RunReport) -> None:
    with pytest.raises(AgnewsError, match="cannot be served"):
        run("training.learning_rate=1e-7", "evaluation.force_promotion=true")
