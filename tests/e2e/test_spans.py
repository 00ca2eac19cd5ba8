"""Retraining on dated spans. The tests build on each other, in this order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agnews.components.corpus_files.sample import write_sample
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.run_report import RunReport

AG_NEWS = packaged_corpus()

pytestmark = pytest.mark.e2e

Run = Callable[..., RunReport]


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as three days, of which the last is still being written."""
    folder = tmp_path_factory.mktemp("spans")
    write_sample(folder, AG_NEWS)
    rows = (folder / "train.csv").read_text().splitlines(keepends=True)
    (folder / "train.csv").unlink()
    for day, part in (("2026-11-20", rows[:1000]), ("2026-11-21", rows[1000:1600]), ("2026-11-22", rows[1600:2200])):
        (folder / day).mkdir()
        (folder / day / "train.csv").write_text("".join(part))
    (folder / "2026-11-22" / "_INCOMPLETE").touch()
    return folder


@pytest.fixture(scope="module")
def settings(spans: Path) -> tuple[str, ...]:
    return (
        f"data.source={spans}",
        "data.window=2",
        "training.epochs=1",
        "evaluation.min_accuracy=0.3",
        "evaluation.min_class_recall=0",
    )


@pytest.fixture(scope="module")
def first(run: Run, settings: tuple[str, ...]) -> RunReport:
    return run(*settings)


def test_a_first_run_learns_from_the_complete_spans(first: RunReport) -> None:
    assert first.pushed_model is not None
    assert first.spans is not None
    assert first.spans.since is None
    assert first.spans.rows == {"2026-11-20": 1000, "2026-11-21": 600}
    assert first.spans.notes == ("2026-11-22 is passed over: it is marked as _INCOMPLETE",)


def test_a_run_ends_early_where_nothing_is_new(run: Run, settings: tuple[str, ...], first: RunReport) -> None:
    second = run(*settings)
    assert second.ended_early is not None
    assert second.nodes == {}
    assert second.seconds < 5.0


def test_a_new_span_is_learnt_from_and_judged_on_the_same_rows(
    run: Run, settings: tuple[str, ...], first: RunReport, spans: Path
) -> None:
    (spans / "2026-11-22" / "_INCOMPLETE").unlink()
    third = run(*settings)
    assert first.pushed_model is not None
    assert third.ended_early is None
    assert third.spans is not None
    assert third.spans.since == third.baseline == Path(first.pushed_model).name
    assert third.spans.rows == {"2026-11-21": 600, "2026-11-22": 600}
    assert third.spans.new == ("2026-11-22",)
    assert third.spans.left == ("2026-11-20",)
    assert third.metrics is not None
    assert first.metrics is not None
    assert third.metrics.count == first.metrics.count == 800
    assert third.nodes["Trainer"].state == "done"
