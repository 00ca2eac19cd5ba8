from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from agnews.components.evaluator import answered_rows
from agnews.components.linear.find_doubtful_labels import find_doubtful_labels
from agnews.components.report.assemble_report import read_documents
from agnews.components.report.review_predictions import review_predictions

NAMES = ("World", "Sports", "Business", "Sci/Tech")


def table_of(made: Any) -> pa.Table:
    return pq.read_table(Path(made.uris["Evaluator", "predictions"]) / "test.parquet")


def test_the_calibration_curve_is_that_of_scikit_learn(make_run: Any) -> None:
    made = make_run()
    right, confidence = made.answers == made.labels, made.probabilities.max(axis=1)
    shares, means = calibration_curve(right, confidence, n_bins=15)
    bins = review_predictions(table_of(made), NAMES).calibration
    assert [each.accuracy for each in bins] == pytest.approx(shares.tolist())
    assert [each.confidence for each in bins] == pytest.approx(means.tolist(), abs=1e-6)
    assert sum(each.count for each in bins) == len(right)


def test_the_bins_add_up_to_the_calibration_error_of_the_evaluation(make_run: Any) -> None:
    documents = read_documents(make_run().uris)
    review, evaluation = documents.review, documents.evaluation
    assert review is not None
    assert evaluation is not None
    error = sum(each.count * abs(each.confidence - each.accuracy) for each in review.calibration) / review.rows
    assert error == pytest.approx(evaluation.metrics.ece, abs=1e-6)


def test_mistakes_come_with_the_surest_first(make_run: Any) -> None:
    made = make_run()
    review = review_predictions(table_of(made), NAMES)
    wrong = made.answers != made.labels
    assert review.mistakes_in_all == wrong.sum()
    assert len(review.mistakes) == 20
    expected = np.sort(made.probabilities.max(axis=1)[wrong])[::-1][:20]
    assert [each.answer_probability for each in review.mistakes] == pytest.approx(expected.tolist())
    for each in review.mistakes:
        assert each.text == f"Text number {each.row}"
        assert each.label == NAMES[made.labels[each.row - 1]]
        assert each.answer == NAMES[made.answers[each.row - 1]]
        assert each.label_probability == pytest.approx(made.probabilities[each.row - 1, made.labels[each.row - 1]])


def test_lost_rows_are_those_that_the_baseline_has_right(make_run: Any) -> None:
    made = make_run()
    lost = review_predictions(table_of(made), NAMES).lost
    assert len(lost) == 10
    for each in lost:
        assert made.baseline[each.row - 1] == made.labels[each.row - 1] != made.answers[each.row - 1]
    assert review_predictions(table_of(made).slice(0, 1), NAMES).rows == 1


def test_rows_without_an_answer_count_against_the_model_and_are_not_listed(make_run: Any) -> None:
    table = table_of(make_run(rows=50))
    broken = pa.table(
        {
            **{name: table[name] for name in table.column_names},
            "class_id": pa.array(np.full(50, -1)),
            "probabilities": pa.array([[float("nan")] * 4] * 50, pa.list_(pa.float32())),
        }
    )
    review = review_predictions(broken, NAMES)
    (only,) = review.calibration
    assert (only.count, only.confidence, only.accuracy) == (50, 0.0, 0.0)
    assert review.mistakes == review.doubtful_labels == review.lost == ()


def test_no_row_is_listed_twice_as_a_sure_mistake_and_as_a_doubtful_label(make_run: Any) -> None:
    made = make_run(rows=2000)
    review = review_predictions(table_of(made), NAMES)
    found = find_doubtful_labels(made.labels, made.probabilities.astype(np.float64))
    assert review.doubtful_labels_in_all == len(found)
    shown = [each.row for each in review.doubtful_labels]
    mistakes = {each.row for each in review.mistakes}
    assert len(mistakes) == 20
    assert mistakes & set((found + 1).tolist()), "or there would be nothing to leave out"
    assert shown == [row for row in (found + 1).tolist() if row not in mistakes][:20]


def test_a_long_text_is_cut(make_run: Any) -> None:
    review = review_predictions(table_of(make_run(rows=60, text="word " * 500)), NAMES)
    assert {len(each.text) for each in review.mistakes} <= {499, 500}
    assert review.mistakes[0].text.endswith("word…")


def confident_joint(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> set[int]:
    """Equation 1 of the paper, row by row: positions off the diagonal."""
    classes = range(probabilities.shape[1])
    means = {each: probabilities[labels == each, each].mean() for each in classes if (labels == each).any()}
    found = set()
    for row, label in enumerate(labels):
        counting = [each for each, mean in means.items() if probabilities[row, each] >= mean]
        if counting and max(counting, key=lambda each: probabilities[row, each]) != label:
            found.add(row)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_the_definition_finds(seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 3, 200)
    probabilities = chance.dirichlet(np.ones(4), 200)  # nobody has the label 3
    found = find_doubtful_labels(labels, probabilities)
    assert set(found.tolist()) == confident_joint(labels, probabilities)
    margins = [probabilities[row, labels[row]] - np.delete(probabilities[row], labels[row]).max() for row in found]
    assert margins == sorted(margins)


def test_planted_labels_are_found_first(make_run: Any) -> None:
    made = make_run(rows=400)
    found = find_doubtful_labels(made.labels, made.probabilities.astype(np.float64))
    assert set((found[: len(made.planted)] + 1).tolist()) == made.planted
    assert len(found) < 40, "most rows are beyond doubt"


def test_a_file_is_reviewed_as_its_rows_are_in_memory(make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_run(rows=2000)
    table = table_of(made)
    answers = table["class_id"].to_numpy().copy()
    answers[::9] = -1
    position = table.column_names.index("class_id")
    table = table.set_column(position, "class_id", pa.array(answers))
    file = Path(made.uris["Evaluator", "predictions"]) / "some.parquet"
    pq.write_table(table, file, row_group_size=90)
    whole = review_predictions(table, NAMES)
    assert whole.mistakes
    assert whole.doubtful_labels_in_all
    monkeypatch.setattr(answered_rows, "_CELLS", 100)
    assert review_predictions(pq.ParquetFile(file), NAMES) == whole


def test_rows_that_are_sure_of_their_labels_are_left_alone() -> None:
    assert find_doubtful_labels(np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]])).tolist() == []


def test_the_coverage_curve_is_what_a_count_gives(make_run: Any) -> None:
    made = make_run()
    right, confidence = made.answers == made.labels, made.probabilities.max(axis=1)
    points = review_predictions(table_of(made), NAMES).coverage
    assert 30 < len(points) <= 60
    for point in points:
        given = confidence >= point.threshold
        assert point.coverage == pytest.approx(given.mean())
        assert point.precision == pytest.approx(right[given].mean())
    assert points[-1].coverage == 1.0
    assert [each.coverage for each in points] == sorted({each.coverage for each in points})
