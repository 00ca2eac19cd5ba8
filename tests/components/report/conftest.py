"""The artifacts of a made-up run, from which reports are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

NAMES = ("World", "Sports", "Business", "Sci/Tech")


@dataclass(frozen=True)
class MadeUpRun:
    """A run that never was.

    Attributes:
        uris: URI of each artifact by node and key.
        labels: (rows,)
        answers: (rows,)
        probabilities: (rows, classes)
        baseline: (rows,) answers of the baseline, or None.
        planted: Numbers of the rows whose label was changed.
    """

    uris: Mapping[tuple[str, str], str]
    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    baseline: NDArray[np.int64] | None
    planted: frozenset[int]


MakeRun = Callable[..., MadeUpRun]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the artifacts: `make_run(rows=, blessed=, baseline=, text=, names=)`; `text` becomes that of every row."""

    def make(
        *,
        rows: int = 400,
        blessed: bool = True,
        baseline: bool = True,
        text: str = "",
        names: Sequence[str] = NAMES,
    ) -> MadeUpRun:
        chance = np.random.default_rng(1)
        classes = len(names)
        truth = chance.integers(0, classes, rows)
        scores = chance.normal(size=(rows, classes)) + 3.0 * np.eye(classes)[truth]
        probabilities = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
        answers = probabilities.argmax(axis=1)
        # Labels that are wrong beyond doubt: the model is surer of another class than it ever is of its own rows.
        planted = np.flatnonzero(answers == truth)[:8]
        probabilities[planted] = np.where(np.eye(classes, dtype=bool)[truth[planted]], 0.991, 0.009 / (classes - 1))
        labels = truth.copy()
        labels[planted] = (truth[planted] + 1) % classes
        rivals = np.where(chance.random(rows) < 0.8, truth, (truth + 1) % classes) if baseline else None
        _write_predictions(tmp_path, labels, answers, probabilities, rivals, text)
        _write_documents(tmp_path, labels, answers, probabilities, rivals, blessed, names)
        uris = {pair: str(tmp_path / "-".join(pair)) for pair in _KEYS}
        return MadeUpRun(uris, labels, answers, probabilities, rivals, frozenset((planted + 1).tolist()))

    return make


_KEYS = (
    ("NewsExampleGen", "data_card"),
    ("StatisticsGen", "statistics"),
    ("ExampleValidator", "anomalies"),
    ("BaselineModel", "model"),
    ("DataGate", "report"),
    ("Transform", "transform_graph"),
    ("TokenGate", "report"),
    ("Trainer", "model_run"),
    ("Evaluator", "evaluation"),
    ("Evaluator", "predictions"),
    ("SmokeTest", "report"),
    ("Pusher", "pushed_model"),
)


def _write_predictions(
    root: Path,
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    baseline: NDArray[np.int64] | None,
    text: str,
) -> None:
    rows = len(labels)
    table = pa.table(
        {
            "row": pa.array(np.arange(1, rows + 1)),
            "text": pa.array([text or f"Text number {row}" for row in range(1, rows + 1)]),
            "label": pa.array(labels),
            "length": pa.array(["up to 20 words" if row % 3 else "21-30 words" for row in range(rows)]),
            "has_markup": pa.array(["yes" if row % 5 == 0 else "no" for row in range(rows)]),
            "class_id": pa.array(answers),
            "probabilities": pa.array(list(probabilities), pa.list_(pa.float32())),
            "baseline_class_id": pa.nulls(rows, pa.int64()) if baseline is None else pa.array(baseline),
        }
    )
    folder = root / "Evaluator-predictions"
    folder.mkdir()
    pq.write_table(table, folder / "test.parquet", row_group_size=150)


def _write_documents(
    root: Path,
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    baseline: NDArray[np.int64] | None,
    blessed: bool,
    names: Sequence[str],
) -> None:
    documents = {
        "NewsExampleGen-data_card/report.json": _data_card(len(labels), names),
        "DataGate-report/report.json": _data_check(baseline is not None),
        "TokenGate-report/report.json": _token_check(),
        "Trainer-model_run/training.json": _training(names),
        "Evaluator-evaluation/evaluation.json": _evaluation(labels, answers, probabilities, baseline, blessed, names),
        "SmokeTest-report/report.json": _smoke(blessed),
        "Pusher-pushed_model/pushed.json": {
            "pushed": blessed,
            "reason": "version 1795570852 is in production" if blessed else "not blessed: not_worse",
            "version": "1795570852" if blessed else "",
            "destination": "/models/agnews/1795570852" if blessed else "",
        },
    }
    if baseline is not None:
        documents["BaselineModel-model/Format-Serving/assets.extra/record.json"] = _record()
    for name, document in documents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(document))


def _data_card(rows: int, names: Sequence[str]) -> dict[str, object]:
    lengths = {"mean": 37.8, "p50": 37, "p95": 55, "p99": 76, "max": 171}
    split = {
        "rows": rows,
        "rows_per_class": dict.fromkeys(names, rows // len(names)),
        "duplicates": 3,
        "contradictions": 1,
        "words": lengths,
        "characters": {**lengths, "mean": 235.4},
        "markup_share": 0.2,
    }
    return {
        "corpus": "ag_news",
        "source": "data/agnews",
        "is_sample": False,
        "digest": "d" * 64,
        "test_digest": "e" * 64,
        "spans": [],
        "splits": {"train": {**split, "rows": 8000}, "eval": split, "test": split},
        "files": {
            "train.csv": {"records": 8426, "rejects": {"label_not_a_class": 2, "no_text": 1}},
            "test.csv": {"records": rows, "rejects": {}},
        },
        "left_out_as_test": 5,
        "left_out_by_limit": 18,
        "shared_by_train_and_eval": 0,
        "normalisation": "case and white space aside",
    }


def _data_check(has_baseline: bool) -> dict[str, object]:
    def distance(kind: str, feature: str, value: float) -> dict[str, object]:
        return {
            "kind": kind,
            "feature": feature,
            "measure": "jensen_shannon_divergence",
            "value": value,
            "threshold": 0.06,
            "rows": [8000, 400],
        }

    drift = [distance("drift", "num_words", 0.081)] if has_baseline else []
    finding = {
        "kind": "drift",
        "where": "train against version 1763820000",
        "feature": "num_words",
        "seen": "a divergence of 0.081",
        "allowed": "at most 0.06",
        "stops": False,
    }
    return {
        "passed": True,
        "rows": {"train": 8000, "eval": 400, "test": 400},
        "findings": [finding] if has_baseline else [],
        "distances": [distance("skew", "label", 0.002), distance("skew", "num_words", 0.031), *drift],
        "baseline": "1763820000" if has_baseline else None,
    }


def _token_check() -> dict[str, object]:
    split = {
        "rows": 400,
        "pieces": 20000,
        "unknown_pieces": 4,
        "unknown_share": 0.0002,
        "full_share": 0.01,
        "mean_length": 53.2,
        "median_length": 51,
        "p95_length": 84,
        "p99_length": 128,
        "longest": 128,
        "empty_rows": 0,
        "broken_rows": 0,
        "first_broken_row": None,
    }
    return {
        "passed": True,
        "max_length": 128,
        "max_unknown_share": 0.01,
        "splits": {"train": split, "eval": split},
        "problems": [],
    }


def _training(names: Sequence[str]) -> dict[str, object]:
    curve = [
        {
            "epoch": float(epoch),
            "loss": 2.0 / epoch,
            "accuracy": 0.95 - 0.3 / epoch,
            "val_loss": 0.3 + abs(epoch - 3) / 10,
            "val_accuracy": 0.9 - abs(epoch - 3) / 50,
            "learning_rate": 1e-3 / epoch,
            "seconds": 6.5,
            "rows_per_second": 1230.0,
        }
        for epoch in range(1, 5)
    ]
    taken = {"accelerator": "cpu", "strategy": "none", "precision": "float32", "global_batch_size": 128}
    return {
        "curve": curve,
        "config": {"corpus": "ag_news", "model": {"kind": "transformer", "hidden_dim": 64}, "training": {"epochs": 4}},
        "best_epoch": 3,
        "devices": {"asked": {"strategy": "auto"}, "taken": taken},
        "warm_start": None,
        "model": {
            "class_names": list(names),
            "model": {"kind": "transformer", "hidden_dim": 64},
            "text": {"vocabulary": "minilm", "lowercase": True, "max_length": 128, "max_unknown_share": 0.01},
            "vocabulary_sha256": "a" * 64,
            "encoder_sha256": None,
            "parameters": 1164460,
            "trained_parameters": 1164460,
            "train_rows": 8000,
            "temperature": 1.161,
            "devices": taken,
            "warm_start": None,
            "versions": {"agnews": "0.1.0", "tensorflow": "2.21.0"},
        },
    }


def _evaluation(
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    baseline: NDArray[np.int64] | None,
    blessed: bool,
    names: Sequence[str],
) -> dict[str, object]:
    """Figures from scikit-learn, so that what a report shows is held against another's arithmetic."""
    from sklearn import metrics

    from agnews.components.evaluator.paired_test import paired_test

    right = labels == answers
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        labels, answers, labels=range(len(names)), zero_division=0
    )
    test = None
    if baseline is not None:
        rival = labels == baseline
        test = paired_test(
            baseline="1763820000",
            rows=len(labels),
            both_right=int((right & rival).sum()),
            only_candidate_right=int((right & ~rival).sum()),
            only_baseline_right=int((~right & rival).sum()),
            alpha=0.05,
        ).model_dump(mode="json")
    return {
        "metrics": {
            "count": len(labels),
            "accuracy": float(right.mean()),
            "macro_f1": float(f1.mean()),
            "ece": _ece(right, probabilities),
            "per_class": [
                {
                    "name": name,
                    "precision": float(precision[each]),
                    "recall": float(recall[each]),
                    "f1": float(f1[each]),
                    "count": int(count[each]),
                }
                for each, name in enumerate(names)
            ],
            "confusion_matrix": metrics.confusion_matrix(labels, answers, labels=range(len(names))).tolist(),
            "unusable": 0,
        },
        "slices": [
            {"feature": "length", "value": "up to 20 words", "count": 266, "accuracy": 250 / 266},
            {"feature": "length", "value": "21-30 words", "count": 134, "accuracy": 120 / 134},
            {"feature": "has_markup", "value": "yes", "count": 80, "accuracy": 72 / 80},
            {"feature": "has_markup", "value": "no", "count": 320, "accuracy": 298 / 320},
        ],
        "abstention": _abstention(right, probabilities.max(axis=1)) if blessed else None,
        "verdict": {
            "blessed": blessed,
            "reasons": ["accuracy 91.0 % is at or above the floor of 80 %" if blessed else "worse beyond noise"],
            "failed_rules": [] if blessed else ["not_worse"],
            "paired_test": test,
        },
    }


def _abstention(right: NDArray[np.bool_], confidence: NDArray[np.float32]) -> dict[str, object]:
    given = confidence >= 0.8
    return {
        "wanted": 0.97,
        "threshold": 0.8,
        "eval_rows": 400,
        "coverage": float(given.mean()),
        "precision": float(right[given].mean()),
    }


def _ece(right: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, 16)
    inside = [(confidence > low) & (confidence <= high) for low, high in pairwise(edges)]
    return float(sum(abs(confidence[rows].mean() - right[rows].mean()) * rows.mean() for rows in inside if rows.any()))


def _smoke(blessed: bool) -> dict[str, object]:
    if not blessed:
        return {"passed": False, "skipped": "the model was not blessed, so it will not be pushed"}
    checks = [{"name": "loads", "passed": True, "found": "0.7 s", "bound": "the model loads in a fresh process"}]
    return {
        "passed": True,
        "checks": checks,
        "load_seconds": 0.7,
        "latency_ms": 3.1,
        "rows_per_second": 5200.0,
        "size_mb": 7.2,
        "peak_rss_mb": 512.0,
    }


def _record() -> dict[str, object]:
    return {
        "version": "1763820000",
        "name": "agnews",
        "run_id": "20261122T140000-abcd",
        "pushed_at": "2026-11-22T14:00:00Z",
        "model_digest": "b" * 64,
        "fingerprint": "808a69c7f3f11323",
        "judged_against": "",
        "accuracy": 0.8,
        "classes": NAMES,
        "learnt_from": None,
    }
