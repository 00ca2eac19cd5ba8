"""Days of requests, with drift and without: how often `agnews monitor` says so.

    python benchmarks/drift_days.py AG_NEWS BANKING77 [--days 200] [--requests 2000]

Both folders have train.csv; of AG News it may be a part. A logistic regression on words stands for the model: what is
judged is the rule, not the model. For each day, 2,000 of 9,000 texts that the model has not learnt from are the
requests, and answers to the others are the reference; training texts are counted once. Kinds of day:

    same       as they come
    mixed      a tenth of them are questions to a bank
    class      a class that was a tenth of all answers is a fifth of the requests

Printed are the days with an alarm, with Wilson's 95 % interval. Ends with 1 if 5 % or more of the first kind have one,
or 95 % or less of the others.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from agnews.components.drift.build_reference import build_reference
from agnews.components.drift.judge_window import LiveTexts, judge_window
from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.monitor_reference import MonitorReference

HELD_OUT = 9000
LEARNT = 12_000
CLASSES = ("World", "Sports", "Business", "Sci/Tech")
RARE = 2
"""The class that is a tenth of the texts."""


def read_rows(path: Path) -> list[list[str]]:
    """Reads a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


class Days:
    """Draws days of requests.

    Args:
        texts: All texts, those of the bank last.
        answers: Probabilities for each, (texts, classes).
        labels: True classes of the first ones.
        requests: In a day.
    """

    def __init__(
        self, texts: list[bytes], answers: NDArray[np.float64], labels: NDArray[np.int64], requests: int
    ) -> None:
        self._answers, self._labels, self._requests = answers, labels, requests
        self._measured = measure_texts(texts, Alphabet(""))
        self._starts = np.concatenate([[0], self._measured.gram_ends])
        self._bank = np.arange(len(labels), len(texts))
        self._random = np.random.default_rng(7)

    def draw(self, kind: str, reference: MonitorReference) -> tuple[MonitorReference, LiveTexts]:
        """Draws a day, and the reference with answers to what is left."""
        own = self._random.permutation(len(self._labels))
        if kind == "class":
            own = self._thin_out(own, 0.1)
            rare = self._labels[own] == RARE
            double = self._requests // 5
            day = np.concatenate([own[rare][:double], own[~rare][: self._requests - double]])
        elif kind == "mixed":
            strange = self._requests // 10
            day = np.concatenate(
                [own[: self._requests - strange], self._random.choice(self._bank, strange, replace=False)]
            )
        else:
            day = own[: self._requests]
        rest = np.setdiff1d(own, day)
        if kind == "class":
            rest = self._thin_out(self._random.permutation(rest), 0.1)
        answered = _reference([], self._answers[rest], self._labels[rest])
        kept = ("test_rows", "answers", "confidence", "right")
        fresh = reference.model_copy(update={name: getattr(answered, name) for name in kept})
        return fresh, self._live(self._random.permutation(day))

    def _thin_out(self, rows: NDArray[np.int64], share: float) -> NDArray[np.int64]:
        rare = self._labels[rows] == RARE
        wanted = int(share / (1 - share) * (~rare).sum())
        keep = ~rare
        keep[np.flatnonzero(rare)[:wanted]] = True
        return rows[keep]

    def _live(self, rows: NDArray[np.int64]) -> LiveTexts:
        parts = [self._measured.grams[self._starts[row] : self._starts[row + 1]] for row in rows]
        return LiveTexts(
            words=self._measured.words[rows].astype(np.int64),
            has_markup=self._measured.has_markup[rows],
            unknown_words=self._measured.unknown_words[rows].astype(np.int64),
            grams=np.concatenate(parts).astype(np.int64),
            owners=np.repeat(np.arange(len(rows)), [len(part) for part in parts]),
            answers=self._answers[rows].argmax(axis=1),
            confidence=self._answers[rows].max(axis=1),
        )


def _reference(
    blocks: Sequence[Sequence[bytes]], probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> MonitorReference:
    return build_reference(
        blocks,
        alphabet="",
        classes=CLASSES,
        answers=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
        labels=labels,
    )


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ag_news", type=Path)
    parser.add_argument("banking77", type=Path)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    rows = [row for row in read_rows(arguments.ag_news / "train.csv") if row[0].isdecimal()]
    rows = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))]
    texts = [" ".join(row[1:]).encode() for row in rows]
    labels = np.array([int(row[0]) - 1 for row in rows])
    bank = [row[0].encode() for row in read_rows(arguments.banking77 / "train.csv")[1:]]
    words = HashingVectorizer(n_features=1 << 16, alternate_sign=False)
    learnt = slice(HELD_OUT, HELD_OUT + LEARNT)
    model = LogisticRegression(C=10, max_iter=200).fit(words.transform(texts[learnt]), labels[learnt])
    asked = [*texts[:HELD_OUT], *bank]
    answers = model.predict_proba(words.transform(asked))
    blocks = [texts[start : start + 1000] for start in range(HELD_OUT, len(texts), 1000)]
    reference = _reference(blocks, answers[:1], labels[:1])
    days = Days(asked, answers, labels[:HELD_OUT], arguments.requests)
    shares = {}
    for kind in ("same", "mixed", "class"):
        judged = [judge_window(*days.draw(kind, reference)) for _ in range(arguments.days)]
        alarms = sum(any(each.alarm for each in day) for day in judged)
        shares[kind] = alarms / arguments.days
        low, high = wilson_interval(alarms, arguments.days)
        by = {each.feature: sum(day[place].alarm for day in judged) for place, each in enumerate(judged[0])}
        print(
            f"{kind:<6} {alarms:4} of {arguments.days} days ({100 * low:.1f} to {100 * high:.1f} %)  {by}", flush=True
        )
    if shares["same"] >= 0.05 or min(shares["mixed"], shares["class"]) <= 0.95:
        sys.exit("a share is not what it should be")


if __name__ == "__main__":
    main()
