"""Answers that are sets of classes: their figures against scikit-learn, and how they are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as reference

from agnews.components.evaluator.analyse import LENGTH_BUCKETS
from agnews.components.evaluator.answer_columns import as_column, exact, from_column, named
from agnews.components.evaluator.answer_rule import answer_rule, set_answers
from agnews.components.evaluator.contest import Contest
from agnews.components.evaluator.f1_test import f1_of, f1_test
from agnews.components.evaluator.measure_sets import measure_sets
from agnews.components.evaluator.predict_split import predict_split
from agnews.components.evaluator.raw_rows import Rows
from agnews.components.evaluator.split_answers import BASELINE, CANDIDATE, read_answers, write_anchor
from agnews.components.evaluator.tally import answers
from agnews.schemas.anchor import Anchor
from agnews.schemas.predictions import NO_CLASS
from agnews.schemas.promotion_metric import promotion_metric

NAMES = ("sports", "money", "film", "chess")
ROWS = 300
THRESHOLDS = np.array([0.4, 0.5, 0.3, 0.5], np.float32)


def drawn(seed: int, noise: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """Marks, one class without a row, and probabilities."""
    random = np.random.default_rng(7)
    marks = (random.random((ROWS, 4)) < (0.5, 0.3, 0.1, 0.0)).astype(np.int64)
    scores = 2.0 * (2 * marks - 1) + noise * np.random.default_rng(seed).normal(size=marks.shape)
    return marks, (1 / (1 + np.exp(-scores))).astype(np.float32)


def chunks(marks: np.ndarray) -> list[Rows]:
    texts = np.array([f"text {number}".encode() for number in range(ROWS)], object)
    parts = (slice(0, 200), slice(200, None))
    return [
        Rows(
            row=np.arange(1, ROWS + 1)[part],
            text=texts[part],
            label=marks[part],
            num_words=np.arange(ROWS)[part] % 60,
            has_markup=np.array([b"yes", b"no"] * (ROWS // 2), object)[part],
        )
        for part in parts
    ]


def predicted(path: Path, shares: np.ndarray, other: np.ndarray | None = None) -> object:
    marks, _ = drawn(0)

    def ask(which: np.ndarray) -> object:
        return lambda texts: which[[int(text.split()[1]) for text in texts]]

    rule = answer_rule(THRESHOLDS)
    return predict_split(
        chunks(marks),
        candidate=ask(shares),  # type: ignore[arg-type]
        baseline=None if other is None else ask(other),  # type: ignore[arg-type]
        rules={CANDIDATE: rule, BASELINE: rule},
        label_shape=(4,),
        output=str(path),
    )


def test_figures_are_those_of_scikit_learn(tmp_path: Path) -> None:
    marks, shares = drawn(1)
    predicted(tmp_path / "test.parquet", shares)

    metrics, slices = measure_sets(str(tmp_path / "test.parquet"), NAMES)

    given = shares >= THRESHOLDS
    figures = {figure.name: figure.value for figure in metrics.figures}
    assert metrics.accuracy == figures["accuracy"] == pytest.approx(reference.accuracy_score(marks, given))
    for average in ("micro", "macro"):
        expected = reference.f1_score(marks, given, average=average, zero_division=0)
        assert figures[f"{average}_f1"] == pytest.approx(expected)
    assert figures["samples_f1"] == pytest.approx(reference.f1_score(marks, given, average="samples", zero_division=1))
    assert figures["hamming_loss"] == pytest.approx(reference.hamming_loss(marks, given))
    expected = np.mean([reference.log_loss(marks[:, each], shares[:, each], labels=[0, 1]) for each in range(4)])
    assert figures["log_loss"] == pytest.approx(expected, rel=1e-5)
    precision, recall, f1, count = reference.precision_recall_fscore_support(marks, given, zero_division=0)
    assert [each.precision for each in metrics.per_class] == pytest.approx(precision.tolist())
    assert [each.recall for each in metrics.per_class] == pytest.approx(recall.tolist())
    assert [each.f1 for each in metrics.per_class] == pytest.approx(f1.tolist())
    assert [each.count for each in metrics.per_class] == count.tolist()
    right = (marks == given).all(axis=1)
    (film,) = (each for each in slices if each.value == "film")
    assert film.accuracy == pytest.approx(right[marks[:, 2] > 0].mean())
    assert sum(each.count for each in slices if each.feature == "length") == ROWS


def test_rows_that_got_no_answer_are_wrong_and_counted(tmp_path: Path) -> None:
    _, shares = drawn(1)
    shares[3] = np.nan
    shares[4, 0] = 1.5
    found = predicted(tmp_path / "test.parquet", shares)

    metrics, _ = measure_sets(str(tmp_path / "test.parquet"), NAMES)

    assert metrics.unusable == 2
    split = found.log.whole()  # type: ignore[attr-defined]
    assert not split.right(CANDIDATE)[[3, 4]].any()


def test_several_probabilities_are_no_distribution_and_are_used_all_the_same() -> None:
    shares = np.array([[0.9, 0.8], [0.1, 0.2]], np.float32)
    assert answers(shares).tolist() == [NO_CLASS, NO_CLASS]
    assert answers(shares, one_class=False).tolist() == [0, 1]
    assert set_answers(np.array([0.5, 0.8], np.float32), shares).tolist() == [[1, 1], [0, 0]]


def test_columns_give_back_what_they_were_made_of() -> None:
    marks = np.array([[1, 0, 1], [0, 0, 0], [NO_CLASS] * 3], np.int8)
    column = as_column(marks)
    assert column.type == pa.list_(pa.int64())
    assert from_column(column, 3).tolist() == marks.tolist()
    assert [named(each, "abc") for each in column.to_pylist()] == ["a + c", "(none)", None]
    single = np.array([2, NO_CLASS])
    assert from_column(as_column(single), 3).tolist() == single.tolist()
    assert exact(marks, marks[[0, 1, 0]]).tolist() == [True, True, False]


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1_is_that_of_scikit_learn(average: str) -> None:
    marks, shares = drawn(2)
    given = (shares >= THRESHOLDS).astype(np.int8)
    expected = reference.f1_score(marks, given, average=average, zero_division=0)
    assert f1_of(marks, given, 4, average=average) == pytest.approx(expected)  # type: ignore[arg-type]


def test_one_class_a_text_is_compared_alike_in_either_form() -> None:
    random = np.random.default_rng(4)
    label, ours, theirs = (random.integers(0, 4, 200) for _ in range(3))
    eye = np.eye(4, dtype=np.int64)
    options = {"baseline": "1", "num_classes": 4, "alpha": 0.05}
    one = f1_test(label=label, candidate=ours, rival=theirs, **options)  # type: ignore[arg-type]
    several = f1_test(label=eye[label], candidate=eye[ours], rival=eye[theirs], **options)  # type: ignore[arg-type]
    assert several.difference == pytest.approx(one.difference)
    assert several.p_worse == pytest.approx(one.p_worse, abs=0.02)
    assert (several.only_candidate_right, several.only_baseline_right) == (
        one.only_candidate_right,
        one.only_baseline_right,
    )


@pytest.mark.parametrize("metric", ["accuracy", "micro_f1", "macro_f1", "recall:money"])
def test_a_worse_model_is_found_worse_by_each_metric(metric: str, tmp_path: Path) -> None:
    marks, good = drawn(1, noise=0.9)
    _, bad = drawn(2, noise=2.5)
    split = predicted(tmp_path / "test.parquet", bad, good).log.whole()  # type: ignore[attr-defined]
    contest = Contest(promotion_metric(metric, NAMES), split, 4)

    found = contest.compare(baseline=contest.rival("1", BASELINE), anchor=None, alpha=0.05, margin=0.0).baseline

    assert found is not None
    assert found.p_worse < 0.01
    figure = {
        "accuracy": reference.accuracy_score,
        "micro_f1": lambda truth, given: reference.f1_score(truth, given, average="micro"),
        "macro_f1": lambda truth, given: reference.f1_score(truth, given, average="macro", zero_division=0),
        "recall:money": lambda truth, given: reference.recall_score(truth[:, 1], given[:, 1]),
    }[metric]
    ours, theirs = (figure(marks, each >= THRESHOLDS) for each in (bad, good))
    assert found.baseline_accuracy == pytest.approx(theirs)
    assert found.difference == pytest.approx(ours - theirs)


def test_an_anchor_keeps_its_sets(tmp_path: Path) -> None:
    _, shares = drawn(1)
    split = predicted(tmp_path / "test.parquet", shares).log.whole()  # type: ignore[attr-defined]
    anchor = Anchor(version="1", rows_digest=split.digest, accuracy=0.5, best_of=1)
    write_anchor(str(tmp_path), anchor, split, split.by_model[CANDIDATE])
    assert (read_answers(str(tmp_path), 4) == split.by_model[CANDIDATE]).all()


def test_parts_stand_in_their_own_order(tmp_path: Path) -> None:
    predicted(tmp_path / "test.parquet", drawn(1)[1])
    _, slices = measure_sets(str(tmp_path / "test.parquet"), NAMES)
    lengths = [each.value for each in slices if each.feature == "length"]
    assert lengths == [each for each in LENGTH_BUCKETS if each in lengths]
    assert len(lengths) > 3
    assert [each.value for each in slices if each.feature == "label"] == list(NAMES[:3])
