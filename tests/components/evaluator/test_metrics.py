"""The register of metrics: each against scikit-learn, and a new one in all places where figures are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics as reference

from agnews.components.evaluator.metrics import METRICS, MeanOfRows, Metric, measure
from agnews.components.evaluator.scored import Scored, read_scored, scored_cells
from agnews.components.evaluator.tally import Tally, answers
from agnews.schemas.evaluation import Figure, Metrics

CLASSES = 4


def _rows(rows: int = 2000) -> Scored:
    random = np.random.default_rng(11)
    label = random.integers(0, CLASSES, rows)
    probabilities = random.dirichlet([0.5] * CLASSES, rows)
    probabilities[np.arange(rows), label] += random.random(rows)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    probabilities[0] = np.eye(CLASSES)[(label[0] + 1) % CLASSES]  # sure, and wrong
    return Scored(label=label, probabilities=probabilities.astype(np.float64), count=np.ones(rows))


def _cells(rows: Scored) -> Scored:
    tally = Tally()
    tally.add(
        label=rows.label,
        answer=rows.answer,
        probabilities=rows.probabilities.astype(np.float32),
        length=np.zeros_like(rows.label),
        has_markup=np.zeros(len(rows.label), bool),
    )
    return scored_cells(tally.cells())


def _metric(name: str) -> Metric:
    (found,) = (metric for metric in METRICS if metric.name == name)
    return found


def _figure(name: str, predictions: Iterable[Scored]) -> Figure:
    (figure,) = measure([_metric(name)], predictions)
    return figure


def test_log_loss_and_brier_score_are_those_of_scikit_learn() -> None:
    rows = _rows()
    halves = [
        Scored(label=rows.label[part], probabilities=rows.probabilities[part], count=rows.count[part])
        for part in (slice(0, 900), slice(900, None))
    ]
    log_loss, brier = _figure("log_loss", halves), _figure("brier_score", halves)
    # scikit-learn's own, on float32 as a model gives them: its bound follows the type.
    expected = reference.log_loss(rows.label, rows.probabilities.astype(np.float32), labels=range(CLASSES))
    assert log_loss.value == pytest.approx(expected, rel=1e-6)
    truth = np.eye(CLASSES)[rows.label]
    one_by_one = [reference.brier_score_loss(truth[:, each], rows.probabilities[:, each]) for each in range(CLASSES)]
    assert brier.value == pytest.approx(sum(one_by_one), rel=1e-6)
    assert (log_loss.better, brier.better) == ("lower", "lower")


def test_cells_would_give_another_log_loss_so_it_gets_rows() -> None:
    rows = _rows()
    assert _metric("log_loss").needs_rows
    assert _metric("brier_score").needs_rows
    assert _figure("log_loss", [_cells(rows)]).value < 0.98 * _figure("log_loss", [rows]).value


def test_rows_are_gone_through_once_and_no_figure_depends_on_how_they_are_cut() -> None:
    rows = _rows()
    cuts = [slice(0, 1), slice(1, 700), slice(700, 700), slice(700, None)]
    pieces = (Scored(rows.label[cut], rows.probabilities[cut], rows.count[cut]) for cut in cuts)
    for whole, cut in zip(measure(METRICS, [rows]), measure(METRICS, pieces), strict=True):
        assert cut.value == pytest.approx(whole.value, rel=1e-12)


def test_a_row_without_a_distribution_is_the_worst_there_is() -> None:
    rows = Scored(label=np.array([1]), probabilities=np.zeros((1, 2)), count=np.ones(1))
    assert _figure("log_loss", [rows]).value == pytest.approx(-np.log(np.finfo(np.float32).eps))
    assert _figure("brier_score", [rows]).value == 2.0
    assert _figure("accuracy", [rows]).value == 0.0


def test_a_metric_that_is_no_number_is_named() -> None:
    broken = Metric("broken", "broken", partial(MeanOfRows, lambda rows: np.inf * rows.count), "number", "lower", "")
    with pytest.raises(ValueError, match="the metric broken gave inf"):
        measure([broken], [_rows(4)])


def test_rows_are_read_back_as_they_were_predicted(tmp_path: Path) -> None:
    from agnews.components.evaluator.predict_split import Rows, predict_split

    scores = np.array([[0.2, 0.8], [np.nan, 1.0], [1.0, 0.0]], np.float32)
    rows = Rows(
        row=np.arange(3),
        text=np.array([b"a", b"b", b"c"], object),
        label=np.array([1, 0, 1]),
        num_words=np.ones(3, np.int64),
        has_markup=np.array([b"no"] * 3, object),
    )
    output = str(tmp_path / "test.parquet")
    predict_split([rows], candidate=lambda text: scores, baseline=None, output=output)
    found = list(read_scored(output, classes=1 << 22))
    assert [len(chunk.label) for chunk in found] == [2, 1]
    assert np.concatenate([chunk.label for chunk in found]).tolist() == [1, 0, 1]
    assert np.concatenate([chunk.answer for chunk in found]).tolist() == answers(scores).tolist()
    assert np.concatenate([chunk.probabilities for chunk in found])[1].tolist() == [0.0, 0.0]


class WorstRow:
    """A newcomer's metric, which no other function of the project knows."""

    def __init__(self) -> None:
        self._least = 1.0

    def add(self, rows: Scored) -> None:
        given = rows.probabilities[np.arange(len(rows.label)), rows.label]
        self._least = min(self._least, float(given.min()))

    def value(self) -> float:
        return self._least


@pytest.mark.integration
def test_a_registered_metric_shows_up_in_evaluation_report_and_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_evaluation: Any
) -> None:
    metric = Metric("worst_row", "worst row", WorstRow, "number", "higher", "Least that a true class got.", True)
    cell_wise = Metric("right", "right answers", _metric("accuracy").start, "percent", "higher", "Share of them.")
    METRICS.extend([metric, cell_wise])
    try:
        evaluation = make_evaluation(_rows(), tmp_path)
    finally:
        METRICS.remove(metric)
        METRICS.remove(cell_wise)
    figures = {figure.name: figure for figure in evaluation.metrics.figures}
    rows = _rows()
    least = float(rows.probabilities[np.arange(len(rows.label)), rows.label].min())
    assert figures["worst_row"].value == least
    assert figures["right"].value == evaluation.metrics.accuracy
    shown = f"{least:.4f}"

    from agnews.components.report.executor import _figures

    assert _figures(evaluation, None)["worst_row"] == round(figures["worst_row"].value, 6)
    for text in (_page(evaluation), _command_line(evaluation, tmp_path)):
        assert "worst row" in text
        assert "right answers" in text
        assert shown in text


def _page(evaluation: Any) -> str:
    from agnews.components.report.render_report import render_report

    return render_report(_report(evaluation))


def _command_line(evaluation: Any, root: Path) -> str:
    from agnews.pipeline.paths import Paths
    from agnews.pipeline.reports.show_report import show_report

    console = Console(record=True, width=100)
    show_report(_report(evaluation), Paths(root), console)
    return console.export_text()


def _report(evaluation: Any) -> Any:
    from agnews.components.report.assemble_report import assemble_report
    from agnews.schemas.run_report import RunDocuments

    documents = RunDocuments(evaluation=evaluation)
    return assemble_report(documents, run_id="r", model={}, settings={}, nodes={})


@pytest.fixture
def make_evaluation() -> Any:
    """Evaluates rows as the Evaluator does, Beam and TFMA included."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from agnews.components.evaluator.analyse import analyse
    from agnews.schemas.evaluation import Evaluation, Verdict

    def make(rows: Scored, folder: Path) -> Evaluation:
        tally = Tally()
        tally.add(
            label=rows.label,
            answer=rows.answer,
            probabilities=rows.probabilities.astype(np.float32),
            length=np.zeros_like(rows.label),
            has_markup=np.zeros(len(rows.label), bool),
        )
        metrics, slices = analyse(
            tally.cells(),
            rows=lambda: [rows],
            class_names=("World", "Sports", "Business", "Sci/Tech"),
            output=str(folder / "tfma"),
            pipeline=beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])),
        )
        verdict = Verdict(blessed=True, reasons=("x",), failed_rules=(), paired_test=None)
        return Evaluation.model_validate_json(
            Evaluation(metrics=metrics, slices=slices, verdict=verdict).model_dump_json()
        )

    return make


def test_a_document_of_0_1_0_shows_the_figures_that_it_has() -> None:
    document = {
        "count": 10,
        "accuracy": 0.9,
        "macro_f1": 0.8,
        "ece": 0.01,
        "per_class": [],
        "confusion_matrix": [],
    }
    found = Metrics.model_validate(document)
    assert [(each.title, each.show()) for each in found.figures] == [
        ("accuracy", "90.00 %"),
        ("macro F1", "80.00 %"),
        ("calibration error", "1.00 %"),
    ]
    assert Metrics.model_validate_json(found.model_dump_json()) == found


def test_sums_of_a_document_without_them_follow_from_its_matrix() -> None:
    classes = [
        {"name": name, "precision": 0.5, "recall": 0.5, "f1": 0.5, "count": count}
        for name, count in (("a", 5), ("b", 4), ("c", 1))
    ]
    document = {
        "count": 10,
        "accuracy": 0.7,
        "macro_f1": 0.6,
        "ece": 0.0,
        "per_class": classes,
        "confusion_matrix": [[4, 1, 0], [2, 2, 0], [0, 0, 1]],
    }
    found = Metrics.model_validate_json(json.dumps(document))
    assert [each.answers for each in found.per_class] == [6, 3, 1]
    assert [(each.label, each.answer, each.count) for each in found.confusions] == [("b", "a", 2), ("a", "b", 1)]
    assert Metrics.model_validate_json(found.model_dump_json()) == found


def test_a_new_metric_makes_only_the_evaluator_run_again() -> None:
    from agnews.pipeline.code_version import code_closures

    register = "agnews.components.evaluator.metrics"
    assert {node for node, modules in code_closures().items() if register in modules} == {"Evaluator"}
