from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from sklearn import metrics

from agnews.pipeline.reports.compare_runs import compare_runs, show_comparison
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import Metrics

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 4, 500)
FIRST = np.where(RNG.random(500) < 0.8, LABELS, (LABELS + 1) % 4)
BETTER = np.where(RNG.random(500) < 0.9, LABELS, (LABELS + 1) % 4)


def test_the_figures_are_those_of_scipy_and_scikit_learn(make_run: Any) -> None:
    one = make_run("a", FIRST, labels=LABELS)
    other = make_run("b", BETTER, labels=LABELS)
    found = compare_runs(one, other)
    won, lost = int(((BETTER == LABELS) & (FIRST != LABELS)).sum()), int(((BETTER != LABELS) & (FIRST == LABELS)).sum())
    assert (found.test.only_candidate_right, found.test.only_baseline_right) == (won, lost)
    assert found.p_value == pytest.approx(min(1.0, 2 * stats.binom.cdf(min(won, lost), won + lost, 0.5)))
    assert found.outcome == "better"
    assert found.accuracy == pytest.approx([metrics.accuracy_score(LABELS, each) for each in (FIRST, BETTER)])
    assert found.test.level == pytest.approx(0.95)
    for each, name in enumerate(("World", "Sports", "Business", "Sci/Tech")):
        change = found.classes[each]
        assert change.name == name
        recalls = [metrics.recall_score(LABELS, answers, average=None)[each] for answers in (FIRST, BETTER)]
        precisions = [metrics.precision_score(LABELS, answers, average=None)[each] for answers in (FIRST, BETTER)]
        assert change.recall == pytest.approx(recalls)
        assert change.precision == pytest.approx(precisions)
    assert (sum(each.won for each in found.classes), sum(each.lost for each in found.classes)) == (won, lost)


def test_figures_of_both_runs_are_shown_with_which_is_better(make_run: Any) -> None:
    def measured(name: str, macro_f1: float, ece: float) -> Any:
        figures = Metrics(count=500, accuracy=0.8, macro_f1=macro_f1, ece=ece, per_class=(), confusion_matrix=())
        return make_run(name, FIRST, labels=LABELS).model_copy(update={"metrics": figures})

    console = Console(record=True, width=120)
    show_comparison(compare_runs(measured("a", 0.7, 0.1), measured("b", 0.8, 0.2)), console)
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["macro", "F1", "70.00", "%", "80.00", "%", "better"] in lines
    assert ["calibration", "error", "10.00", "%", "20.00", "%", "worse"] in lines


def test_the_other_way_round_it_is_worse(make_run: Any) -> None:
    found = compare_runs(make_run("a", BETTER, labels=LABELS), make_run("b", FIRST, labels=LABELS))
    assert found.outcome == "worse"
    assert found.test.difference < 0


def test_flips_in_both_directions_are_named(make_run: Any) -> None:
    found = compare_runs(
        make_run("a", [0, 1, 2, 3, -1], labels=[0, 1, 3, 3, 0]), make_run("b", [0, 2, 3, 3, 0], labels=[0, 1, 3, 3, 0])
    )
    (lost,) = found.lost
    assert (lost.row, lost.label, lost.first, lost.second) == (2, "Sports", "Sports", "Business")
    assert [(each.row, each.first, each.second) for each in found.won] == [
        (3, "Business", "Sci/Tech"),
        (5, None, "World"),
    ]
    assert found.outcome == "no difference"


def test_equal_answers_are_no_difference(make_run: Any) -> None:
    found = compare_runs(make_run("a", FIRST, labels=LABELS), make_run("b", FIRST, labels=LABELS))
    assert (found.outcome, found.p_value, found.won, found.lost, found.settings) == ("no difference", 1.0, (), (), {})


def test_settings_that_differ_are_told(make_run: Any) -> None:
    one = make_run("a", FIRST, labels=LABELS, settings={"training": {"epochs": 4, "seed": 7}})
    other = make_run(
        "b", FIRST, labels=LABELS, settings={"training": {"epochs": 3, "seed": 7}}, model={"kind": "bert_frozen"}
    )
    assert compare_runs(one, other).settings == {
        "model.kind": ("transformer", "bert_frozen"),
        "model.hidden_dim": (64, None),
        "training.epochs": (4, 3),
    }


def test_runs_on_other_test_rows_are_refused_with_both_digests(make_run: Any) -> None:
    one = make_run("a", FIRST, labels=LABELS)
    with pytest.raises(AgnewsError, match="different test rows") as caught:
        compare_runs(one, make_run("b", FIRST, labels=LABELS, test_digest="f" * 64))
    assert "e" * 64 in str(caught.value.found)
    assert "f" * 64 in str(caught.value.found)
    with pytest.raises(AgnewsError, match="other rows of the same test file"):
        compare_runs(one, make_run("c", FIRST[:9], labels=LABELS[:9]))


def test_a_run_without_predictions_is_refused(make_run: Any, root: Path) -> None:
    one = make_run("a", FIRST, labels=LABELS)
    with pytest.raises(AgnewsError, match="did not come to its Evaluator") as caught:
        compare_runs(one, make_run("b", error="The vocabulary does not fit."))
    assert caught.value.found == "The vocabulary does not fit."
    shutil.rmtree(root / "artifacts" / "a")
    with pytest.raises(AgnewsError, match="are gone"):
        compare_runs(one, one)


def test_figures_are_whole_in_a_terminal_of_80_columns(make_run: Any) -> None:
    found = compare_runs(make_run("a", FIRST, labels=LABELS), make_run("b", BETTER, labels=LABELS))
    console = Console(width=80, record=True, file=io.StringIO())
    show_comparison(found, console)
    lines = console.export_text().splitlines()
    for each in found.classes:
        (line,) = (line for line in lines if line.startswith(each.name))
        recall, precision = (f"{100 * a:.2f} → {100 * b:.2f} %" for a, b in (each.recall, each.precision))
        assert recall in line
        assert precision in line
        assert line.split()[-2:] == [str(each.won), str(each.lost)]


def test_of_many_classes_those_with_most_flips_are_shown(make_run: Any) -> None:
    found = compare_runs(make_run("a", FIRST, labels=LABELS), make_run("b", BETTER, labels=LABELS))
    many = [
        found.classes[0].model_copy(update={"name": f"part-{number:03}", "won": number % 150, "lost": 0})
        for number in range(300)
    ]
    console = Console(width=120, record=True, file=io.StringIO())
    show_comparison(found.model_copy(update={"classes": tuple(many)}), console)
    text = console.export_text()
    assert "300 classes; those with most rows won and lost" in text
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("part-")]
    assert sorted(shown) == sorted(f"part-{first + last:03}" for first in (0, 150) for last in range(140, 150))
