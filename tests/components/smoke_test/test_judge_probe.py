"""Every way in which a model can disappoint a client is a check of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agnews.components.smoke_test.judge_probe import BATCH, judge_probe
from agnews.schemas.smoke_report import SmokeReport

NAMES = ("World", "Sports", "Business", "Sci/Tech")


def answer(*class_ids: int) -> dict[str, Any]:
    return {
        "class_id": {"dtype": "int64", "values": list(class_ids)},
        "label": {"dtype": "string", "values": [NAMES[class_id] for class_id in class_ids]},
        "probabilities": {
            "dtype": "float32",
            "values": [[0.7 if other == class_id else 0.1 for other in range(4)] for class_id in class_ids],
        },
    }


def findings() -> dict[str, Any]:
    """What a good model gives for four golden texts and two odd ones."""
    return {
        "load_seconds": 0.5,
        "signatures": ["serving_default", "serving_examples", "transform_features"],
        "tensorflow": "2.21.0",
        "own_modules": [],
        "golden": answer(0, 1, 2, 3),
        "golden_again": answer(0, 1, 2, 3),
        "one_by_one": [answer(0), answer(1), answer(2), answer(3)],
        "odd": [answer(0), answer(2)],
        "empty": answer(),
        "batch": answer(*([0, 1, 2, 3] * 16)),
        "examples": answer(0, 1, 2, 3),
        "transformed": {
            "token_ids": {"dtype": "int64", "values": [[101, 7], [101, 8]]},
            "padding_mask": {"dtype": "bool", "values": [[True, True], [True, True]]},
        },
        "latency_ms": 12.0,
        "rows_per_second": 900.0,
        "peak_rss_mb": 600.0,
    }


def judged(found: dict[str, Any], **changes: Any) -> SmokeReport:
    arguments: dict[str, Any] = {
        "class_names": NAMES,
        "golden_classes": [0, 1, 2, 3],
        "odd_names": ["empty", "emoji"],
        "size_mb": 20.0,
        "max_latency_ms": 500.0,
        "max_size_mb": 2000.0,
    }
    return judge_probe(found, **{**arguments, **changes})


def failed(report: SmokeReport) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_good_model_passes_every_check() -> None:
    report = judged(findings())

    assert report.passed
    assert [check.name for check in report.checks] == [
        "size",
        "loads",
        "needs no training code",
        "signatures",
        "answers",
        "odd texts",
        "empty batch",
        "golden texts",
        "deterministic",
        f"batch of {BATCH}",
        "serving_examples",
        "transform_features",
        "latency",
    ]
    assert (report.latency_ms, report.load_seconds, report.size_mb) == (12.0, 0.5, 20.0)


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        place = found
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (_set("own_modules", to=["agnews"]), "needs no training code"),
        (_set("signatures", to=["serving_default"]), "signatures"),
        (_set("golden", "probabilities", "values", 0, 0, to=float("nan")), "answers"),
        (_set("golden", "probabilities", "values", 0, 0, to=-0.1), "answers"),
        (_set("golden", "probabilities", "values", 0, 0, to=0.9), "answers"),
        (_set("golden", "probabilities", "dtype", to="float64"), "answers"),
        (_set("golden", "label", "values", 0, to="Sports"), "answers"),
        (_set("golden", "class_id", "values", 0, to=1), "answers"),
        (_set("golden", "class_id", "values", 0, to=9), "answers"),
        (_set("golden", to={"probabilities": {"dtype": "float32", "values": []}}), "answers"),
        (_set("one_by_one", 2, to={"error": "InvalidArgumentError: bad"}), "answers"),
        (_set("odd", 1, to={"error": "InvalidArgumentError: bad"}), "odd texts"),
        (_set("odd", 0, "probabilities", "values", 0, to=[0.0] * 4), "odd texts"),
        (_set("empty", to={"error": "InvalidArgumentError: bad"}), "empty batch"),
        (_set("empty", to=answer(0)), "empty batch"),
        (_set("golden_again", to=answer(0, 1, 2, 2)), "deterministic"),
        (_set("batch", to=answer(*([0, 1, 2, 2] * 16))), "batch of 64"),
        (_set("batch", to={"error": "ResourceExhaustedError: memory"}), "batch of 64"),
        (_set("examples", to=answer(0, 1, 2, 2)), "serving_examples"),
        (_set("transformed", "token_ids", "values", to=[[1], [2]]), "transform_features"),
        (_set("transformed", "padding_mask", "values", 0, to=[False, False]), "transform_features"),
        (_set("transformed", to={"ids": {}}), "transform_features"),
        (_set("latency_ms", to=501.0), "latency"),
    ],
)
def test_each_fault_fails_the_check_that_names_it(change: Callable[[dict[str, Any]], None], check: str) -> None:
    found = copy.deepcopy(findings())
    change(found)

    report = judged(found)

    assert not report.passed
    assert check in failed(report)


@pytest.mark.parametrize(("right", "passed"), [(4, True), (2, True), (1, False), (0, False)])
def test_half_of_the_golden_texts_must_be_right(right: int, passed: bool) -> None:
    report = judged(findings(), golden_classes=[0, 1, 2, 3][:right] + [1, 2, 3, 0][right:])

    assert report.passed is passed
    assert failed(report) == ([] if passed else ["golden texts"])


def test_a_corpus_without_golden_texts_skips_that_check_alone() -> None:
    names = [check.name for check in judged(findings(), golden_classes=[]).checks]

    assert "golden texts" not in names
    assert len(names) == 12


def test_a_model_that_is_too_big_or_does_not_load_fails() -> None:
    assert failed(judged(findings(), size_mb=2001.0)) == ["size"]
    report = judged({"error": "killed by signal 9\nlast words"})
    assert failed(report) == ["loads"]
    assert "last words" in report.checks[1].found


def test_probabilities_of_several_classes_need_not_sum_to_one_and_come_with_the_chosen_ones() -> None:
    def of_sets(found: Any) -> Any:
        if isinstance(found, dict) and "probabilities" in found:
            shares = np.asarray(found["probabilities"]["values"], float).reshape(-1, 4)
            chosen = {"dtype": "bool", "values": (shares > 0.5).tolist()}
            return {
                **found,
                "probabilities": {**found["probabilities"], "values": (shares * 0.9).tolist()},
                "chosen": chosen,
            }
        if isinstance(found, dict):
            return {key: of_sets(value) for key, value in found.items()}
        return [of_sets(value) for value in found] if isinstance(found, list) else found

    sets = of_sets(findings())
    assert failed(judged(sets, one_class=False)) == []
    assert "answers" in failed(judged(sets))
    del sets["golden"]["chosen"]
    assert "answers" in failed(judged(sets, one_class=False))
