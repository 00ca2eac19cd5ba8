"""How often the comparison of two samples stops rows of one source, and how often it finds three shifts.

Thresholds are measured on the training rows, as `agnews corpus init` does, and then held against random splits of them
of other sizes, and against a test half to which something was done: the largest class gets 15 points more (25 % become
40 %), half of the texts lose their second half, or a tenth are replaced by texts in another language.

    python benchmarks/distances.py ../shared/data

Without a folder, or where a corpus is not in it, corpora are made by the script alone.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from made_texts import make_texts

from agnews.components.drift.measure_distances import measure_distances
from agnews.components.drift.noise_between_splits import noise_between_splits
from agnews.components.drift.text_features import NUM_LENGTH_BINS, count_character_pairs, length_bins
from agnews.components.text.has_markup import has_markup
from agnews.schemas.feature_counts import FeatureCounts

SPLITS, MEASURED_ON = 200, 4000
Rows = list[tuple[str, int]]


def corpora(folder: Path | None) -> Iterator[tuple[str, Rows, str]]:
    """Yields names, rows, and a language that is not theirs."""
    for name, header, texts, label in (("agnews", False, (1, 2), 0), ("banking77", True, (0,), 1)):
        path = folder / name / "train.csv" if folder else Path("missing")
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))[header:]
            numbers = {value: number for number, value in enumerate(sorted({row[label] for row in rows}))}
            yield name, [(" ".join(row[i] for i in texts), numbers[row[label]]) for row in rows], "de"
    yield "made, Hebrew", [*map(tuple, make_texts("he", 6000))], "en"
    yield "made, Chinese", [*map(tuple, make_texts("zh", 6000, classes=10, words=12))], "en"
    yield "made, German, uneven", [*map(tuple, make_texts("de", 3000, shares=[0.5, 0.3, 0.15, 0.05], words=60))], "es"


def count(rows: Rows, classes: int) -> FeatureCounts:
    """Counts rows as NewsExampleGen does."""
    texts, marked = [text for text, _ in rows], sum(has_markup(text) for text, _ in rows)

    def bins(lengths: list[int]) -> tuple[int, ...]:
        return tuple(np.bincount(length_bins(lengths), minlength=NUM_LENGTH_BINS).tolist())

    return FeatureCounts(
        rows=len(rows),
        label=tuple(np.bincount([label for _, label in rows], minlength=classes).tolist()),
        num_words=bins([len(text.split()) for text in texts]),
        num_characters=bins([len(text) for text in texts]),
        has_markup=(len(rows) - marked, marked),
        character_pairs=tuple(count_character_pairs(texts).tolist()),
    )


def more_of_a_class(rows: Rows, generator: np.random.Generator, language: str) -> Rows:
    """Takes rows of the largest class twice until it has 15 points more."""
    labels = np.array([label for _, label in rows])
    largest = np.bincount(labels).argmax()
    share = (labels == largest).mean()
    wanted = min(share + 0.15, 0.95)
    weights = np.where(labels == largest, wanted / share, (1 - wanted) / (1 - share))
    return [rows[i] for i in generator.choice(len(rows), len(rows), p=weights / weights.sum())]


def half_as_long(rows: Rows, generator: np.random.Generator, language: str) -> Rows:
    """Cuts the second half off every other text."""
    return [(text[: len(text) // 2], label) if generator.random() < 0.5 else (text, label) for text, label in rows]


def foreign(rows: Rows, generator: np.random.Generator, language: str) -> Rows:
    """Puts texts in another language, as long as the old ones, in the place of a tenth."""
    others = make_texts(language, len(rows), words=200, seed=int(generator.integers(1 << 30)))
    replaced = generator.permutation(len(rows))[: len(rows) // 10]
    changed = list(rows)
    for i in replaced.tolist():
        changed[i] = (others[i].text[: len(rows[i][0])], rows[i][1])
    return changed


SHIFTS: dict[str, Callable[[Rows, np.random.Generator, str], Rows]] = {
    "a class 15 points up": more_of_a_class,
    "half as long, one in two": half_as_long,
    "another language, 10 %": foreign,
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="with folders agnews and banking77")
    parser.add_argument("--splits", type=int, default=SPLITS)
    options = parser.parse_args()
    stopped, splits = 0, 0
    print(f"{'corpus':24}{'rows':>8}{'splits stopped':>16}", *(f"{name:>26}" for name in SHIFTS))
    for name, rows, language in corpora(options.folder):
        generator = np.random.default_rng(11)
        classes = max(label for _, label in rows) + 1
        some = [rows[i] for i in generator.permutation(len(rows))[:MEASURED_ON].tolist()]
        noise = noise_between_splits(
            [text for text, _ in some],
            np.array([label for _, label in some]),
            np.array([has_markup(text) for text, _ in some]),
            num_classes=classes,
        )
        found = dict.fromkeys(("", *SHIFTS), 0)
        tries = options.splits // 5
        for number in range(tries):
            order = generator.permutation(len(rows)).tolist()
            # Four fifths and one, nineteen twentieths and one, two halves, by turns.
            cut = round(len(rows) * (0.2, 0.05, 0.5)[number % 3])
            train, test = [rows[i] for i in order[cut:]], [rows[i] for i in order[:cut]]
            ours = count(train, classes)
            for shift in found:
                # A shift is looked for in a test half of a fifth.
                other = (
                    test
                    if not shift
                    else SHIFTS[shift]([rows[i] for i in order[: len(rows) // 5]], generator, language)
                )
                measured = measure_distances(ours, count(other, classes), noise=noise, tolerance={})
                found[shift] += any(each.value > each.threshold for each in measured)
        stopped, splits = stopped + found[""], splits + tries
        shares = (f"{found[shift] / tries:>26.1%}" for shift in SHIFTS)
        print(f"{name:24}{len(rows):>8,}{found['']:>10} of {tries:<3}", *shares)
    print(f"\n{stopped} of {splits} random splits are stopped: {stopped / splits:.1%}")


if __name__ == "__main__":
    main()
