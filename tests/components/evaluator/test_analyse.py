"""The figures that decide, against scikit-learn and against a calibration error computed another way."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from agnews.components.evaluator.analyse import LENGTH_BUCKETS, length_bucket
from agnews.components.evaluator.metrics import METRICS, measure
from agnews.components.evaluator.scored import Scored
from agnews.components.evaluator.tally import Tally, answers
from agnews.schemas.evaluation import Metrics, SliceMetrics

NAMES = ("World", "Sports", "Business", "Sci/Tech")
BEAM = ["--runner=FnApiRunner"]


class Case:
    """Rows of all kinds: sure and unsure, right and wrong, without an answer, of a class that is rare."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self.label = random.choice(4, size=3000, p=[0.4, 0.3, 0.29, 0.01])
        probabilities = random.dirichlet([0.4] * 4, 3000)
        probabilities[np.arange(3000), self.label] += random.random(3000)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        self.probabilities = probabilities.astype(np.float32)
        self.probabilities[::500] = np.nan
        self.probabilities[1] = [1.0, 0.0, 0.0, 0.0]
        self.probabilities[2] = [0.25] * 4
        self.answer = answers(self.probabilities)
        self.words = random.integers(0, 90, 3000)
        self.markup = random.random(3000) < 0.2

    def rows(self) -> Iterator[Scored]:
        usable = np.where((self.answer >= 0)[:, None], self.probabilities, 0.0).astype(np.float64)
        for part in (slice(0, 1700), slice(1700, 3000)):
            yield Scored(label=self.label[part], probabilities=usable[part], count=np.ones(len(self.label[part])))


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


@pytest.fixture(scope="module")
def result_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfma")


@pytest.fixture(scope="module")
def figures(case: Case, result_folder: Path) -> tuple[Metrics, tuple[SliceMetrics, ...]]:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from agnews.components.evaluator.analyse import analyse

    tally = Tally()
    for rows in (slice(0, 1700), slice(1700, 3000)):
        tally.add(
            label=case.label[rows],
            answer=case.answer[rows],
            probabilities=case.probabilities[rows],
            length=length_bucket(case.words[rows]),
            has_markup=case.markup[rows],
        )
    return analyse(
        tally.cells(),
        rows=case.rows,
        class_names=NAMES,
        output=str(result_folder),
        pipeline=beam.Pipeline(options=PipelineOptions(BEAM)),
    )


def calibration_error(label: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Row by row, with the bins written out; a row without an answer is a wrong one of confidence 0."""
    edges = np.linspace(0.0, 1.0, 16)
    total = 0.0
    for low, high in pairwise(edges):
        confidences, hits = [], []
        for truth, row in zip(label, probabilities.astype(np.float64), strict=True):
            confidence = 0.0 if np.isnan(row).any() else row.max()
            if low < confidence <= high or (low == 0.0 and confidence == 0.0):
                confidences.append(confidence)
                hits.append(confidence > 0.0 and row.argmax() == truth)
        if confidences:
            total += len(confidences) * abs(np.mean(confidences) - np.mean(hits))
    return total / len(label)


@pytest.mark.integration
def test_overall_figures_are_those_of_scikit_learn(case: Case, figures: tuple[Metrics, object]) -> None:
    found = figures[0]
    everything = {"labels": range(4), "average": None, "zero_division": 0}

    assert found.count == 3000
    assert found.unusable == 6
    assert found.accuracy == pytest.approx(reference.accuracy_score(case.label, case.answer), abs=1e-12)
    assert found.macro_f1 == pytest.approx(
        reference.f1_score(case.label, case.answer, labels=range(4), average="macro", zero_division=0), abs=1e-12
    )
    assert [scores.precision for scores in found.per_class] == pytest.approx(
        reference.precision_score(case.label, case.answer, **everything), abs=1e-12
    )
    assert [scores.recall for scores in found.per_class] == pytest.approx(
        reference.recall_score(case.label, case.answer, **everything), abs=1e-12
    )
    assert [scores.f1 for scores in found.per_class] == pytest.approx(
        reference.f1_score(case.label, case.answer, **everything), abs=1e-12
    )
    assert [scores.count for scores in found.per_class] == np.bincount(case.label, minlength=4).tolist()
    assert [scores.name for scores in found.per_class] == list(NAMES)
    assert [list(row) for row in found.confusion_matrix] == reference.confusion_matrix(
        case.label, case.answer, labels=range(4)
    ).tolist()


@pytest.mark.integration
def test_the_calibration_error_is_that_of_the_definition(case: Case, figures: tuple[Metrics, object]) -> None:
    assert figures[0].ece == pytest.approx(calibration_error(case.label, case.probabilities), abs=1e-9)


@pytest.mark.integration
def test_a_metric_that_cells_can_give_is_that_of_the_rows(case: Case, figures: tuple[Metrics, object]) -> None:
    by_name = {figure.name: figure for figure in figures[0].figures}
    for figure in measure(METRICS, case.rows()):
        assert figure.value == pytest.approx(by_name[figure.name].value, abs=1e-9)
        assert by_name[figure.name].title == figure.title
    assert list(by_name) == [metric.name for metric in METRICS]
    assert (figures[0].accuracy, figures[0].macro_f1, figures[0].ece) == tuple(
        by_name[name].value for name in ("accuracy", "macro_f1", "calibration_error")
    )


@pytest.mark.integration
def test_slices_are_complete_and_right(case: Case, figures: tuple[object, tuple[SliceMetrics, ...]]) -> None:
    bucket = length_bucket(case.words)
    members = (
        [("label", name, case.label == position) for position, name in enumerate(NAMES)]
        + [("length", name, bucket == position) for position, name in enumerate(LENGTH_BUCKETS)]
        + [("has_markup", "yes", case.markup), ("has_markup", "no", ~case.markup)]
    )

    assert [(part.feature, part.value) for part in figures[1]] == [(feature, value) for feature, value, _ in members]
    for part, (_, _, rows) in zip(figures[1], members, strict=True):
        assert part.count == rows.sum()
        assert part.accuracy == pytest.approx(reference.accuracy_score(case.label[rows], case.answer[rows]), abs=1e-12)


@pytest.mark.integration
def test_the_result_opens_with_tfmas_own_loader(figures: object, result_folder: Path) -> None:
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(str(result_folder))

    assert len(result.slicing_metrics) == 1 + 4 + len(LENGTH_BUCKETS) + 2
    assert tfma.load_validation_result(str(result_folder)) is not None


@pytest.mark.integration
def test_counting_gives_what_tfma_gives(case: Case, figures: tuple[Metrics, tuple[SliceMetrics, ...]]) -> None:
    from agnews.components.evaluator.analyse import count_all

    tally = Tally()
    tally.add(
        label=case.label,
        answer=case.answer,
        probabilities=case.probabilities,
        length=length_bucket(case.words),
        has_markup=case.markup,
    )
    read = []
    counted, parts = count_all(tally.cells(), lambda: read.append(1) or case.rows(), NAMES)
    assert len(read) == 1, "of many classes, to read rows takes longer than to count them"
    assert counted.per_class == figures[0].per_class
    assert counted.confusions == figures[0].confusions
    assert (counted.count, counted.unusable) == (figures[0].count, figures[0].unusable)
    assert [each.value for each in counted.figures] == pytest.approx([each.value for each in figures[0].figures])
    assert [(each.feature, each.value, each.count) for each in parts] == [
        (each.feature, each.value, each.count) for each in figures[1]
    ]
    assert [each.accuracy for each in parts] == pytest.approx([each.accuracy for each in figures[1]])


@pytest.mark.integration
def test_ten_thousand_classes_need_no_memory_for_their_square(tmp_path: Path) -> None:
    from agnews.components.evaluator.analyse import analyse

    classes, rows = 10_000, 1500
    drawn = np.random.default_rng(0)
    label = drawn.integers(0, classes, rows)
    answer = np.where(drawn.random(rows) < 0.7, label, (label + 1) % classes)
    probabilities = np.full((rows, classes), 0.5 / (classes - 1), np.float32)
    probabilities[np.arange(rows), answer] = 0.5

    def scored() -> Iterator[Scored]:
        for start in range(0, rows, 500):
            part = slice(start, start + 500)
            yield Scored(label[part], probabilities[part].astype(np.float64), np.ones(500))

    tracemalloc.start()
    tally = Tally()
    for start in range(0, rows, 500):
        part = slice(start, start + 500)
        tally.add(
            label=label[part],
            answer=answers(probabilities[part]),
            probabilities=probabilities[part],
            length=np.zeros(500, np.int64),
            has_markup=np.zeros(500, bool),
        )
    found, parts = analyse(
        tally.cells(),
        rows=scored,
        class_names=[f"class {number}" for number in range(classes)],
        output=str(tmp_path),
        pipeline=None,  # type: ignore[arg-type] - TFMA is not asked
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 250e6, "a matrix of all pairs alone is 800 MB"
    assert len(found.model_dump_json()) < 2e6
    assert found.accuracy == pytest.approx((answer == label).mean())
    there = np.unique(label)
    f1 = reference.f1_score(label, answer, labels=there, average=None, zero_division=0)
    assert [found.per_class[each].f1 for each in there] == pytest.approx(f1)
    assert found.confusion_matrix == ()
    assert len(found.confusions) == 50
    assert sum(part.count for part in parts if part.feature == "label") == rows


def test_only_distributions_are_answers() -> None:
    found = answers(
        np.array(
            [[0.1, 0.9], [0.5, 0.5], [np.nan, 1.0], [np.inf, 0.0], [1.2, -0.2], [0.2, 0.2], [0.0, 0.0], [0.3001, 0.7]],
            np.float32,
        )
    )

    assert found.tolist() == [1, 0, -1, -1, -1, -1, -1, 1]


def test_buckets_meet_without_a_gap() -> None:
    assert [LENGTH_BUCKETS[bucket] for bucket in length_bucket(np.array([0, 20, 21, 30, 31, 70, 71, 5000]))] == [
        "up to 20 words",
        "up to 20 words",
        "21-30 words",
        "21-30 words",
        "31-40 words",
        "51-70 words",
        "over 70 words",
        "over 70 words",
    ]
