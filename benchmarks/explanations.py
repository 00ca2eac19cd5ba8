"""Whether the words that an explanation names are those that mattered, and what an explanation costs.

Each text loses its strongest word, its strongest three, its strongest five, as the signature `explain` ranks them, and
is classified again. How far the log-odds of its class fall is set beside the fall when the words are ranked by trying:
taking each word out by itself and asking the model, which costs a prediction a word; and when they are drawn by lot.
Trying is no upper bound for several words at once, so a ratio may exceed 100 %.

    python benchmarks/explanations.py workspace/models/agnews/VERSION ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer that is part of the model
from numpy.typing import NDArray

from agnews.components.text.align_words import Word, align_words
from agnews.schemas.features import CLASS_ID, CONTRIBUTIONS, EXPLAIN, PROBABILITIES, SERVE_TEXT, TOKENS

TAKEN_OUT = (1, 3, 5)
ROUNDS = 5


class Model:
    """A served model, asked for log-odds and for words."""

    def __init__(self, folder: str) -> None:
        self._model = tf.saved_model.load(folder)
        self.predict = self._model.signatures[SERVE_TEXT]
        self.explain = self._model.signatures[EXPLAIN]

    def log_odds(self, texts: Sequence[str], class_id: int) -> NDArray[np.float64]:
        """Returns log(p / (1 - p)) of a class for each text."""
        found = np.float64(self.predict(text=tf.constant(list(texts)))[PROBABILITIES].numpy()[:, class_id])
        found = np.clip(found, 1e-9, 1 - 1e-9)
        return np.log(found / (1 - found))

    def words(self, text: str) -> tuple[int, list[Word]]:
        """Returns the predicted class and the words with their contributions."""
        found = self.explain(text=tf.constant([text]))
        pieces = [piece.decode() for piece in found[TOKENS].numpy()[0]]
        return int(found[CLASS_ID][0]), align_words(text, pieces, found[CONTRIBUTIONS].numpy()[0])


def without(text: str, words: Sequence[Word]) -> str:
    """Takes words out of a text."""
    for word in sorted(words, key=lambda word: -word.start):
        text = text[: word.start] + text[word.start + len(word.text) :]
    return text


def falls(model: Model, text: str, chance: random.Random) -> dict[str, list[float]]:
    """Returns how far the log-odds fall, by the way of ranking, for each number of words taken out."""
    class_id, words = model.words(text)
    words = [word for word in words if any(map(str.isalnum, word.text))]
    whole, *alone = model.log_odds([text, *(without(text, [word]) for word in words)], class_id)
    effect = dict(zip([word.start for word in words], alone, strict=True))
    ranked = {
        "explained": sorted(words, key=lambda word: -word.contribution),
        "tried": sorted(words, key=lambda word: effect[word.start]),
        "drawn by lot": chance.sample(words, len(words)),
    }
    return {
        name: list(whole - model.log_odds([without(text, order[:count]) for count in TAKEN_OUT], class_id))
        for name, order in ranked.items()
    }


def seconds(call: Callable[[str], object], texts: Sequence[str]) -> float:
    """Seconds for all texts, one at a time."""
    start = time.perf_counter()
    for text in texts:
        call(text)
    return time.perf_counter() - start


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a pushed version")
    parser.add_argument("data", type=Path, help="folder with test.csv")
    parser.add_argument("--texts", type=int, default=200)
    arguments = parser.parse_args()
    chance = random.Random(0)  # noqa: S311 - no secret
    with (arguments.data / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = [" ".join(row[1:]) for row in csv.reader(file)]
    texts = [text for text in chance.sample(rows, 2 * arguments.texts) if len(text.split()) >= 2 * max(TAKEN_OUT)]
    texts = texts[: arguments.texts]

    model = Model(arguments.model)
    found = [falls(model, text, chance) for text in texts]
    means = {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}
    print(f"Fall of the log-odds when words are taken out, mean of {len(texts)} texts:")
    print(f"{'words taken out':<18}" + "".join(f"{count:>8}" for count in TAKEN_OUT))
    for name, mean in means.items():
        print(f"{name:<18}" + "".join(f"{value:>8.2f}" for value in mean))
    shares = 100 * means["explained"] / means["tried"]
    print(f"{'explained / tried':<18}" + "".join(f"{share:>6.0f} %" for share in shares))

    asked = texts[:20]
    ratios = []
    for _ in range(ROUNDS):
        explaining = seconds(model.words, asked)
        ratios.append(explaining / seconds(lambda text: model.predict(text=tf.constant([text])), asked))
    print(f"\nAn explanation takes {statistics.median(ratios):.1f} times as long as a prediction of the same text")


if __name__ == "__main__":
    main()
