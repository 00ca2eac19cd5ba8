"""Accuracy and processor seconds of our linear model beside scikit-learn's ridge and support vector machine.

All learn from the rows of train.csv and answer those of test.csv in one process, with words 1-2 and characters 3-5.
Labels are the first column of AG News, the last one of files with a header (Banking77). Ours has the settings that the
description of AG News names, or those that any corpus gets. It reads texts without remnants of markup, as every model
of ours does; `--cleaned` gives scikit-learn's the same texts besides.

    python benchmarks/linear.py ../shared/data/agnews --cleaned
    python benchmarks/linear.py ../shared/data/banking77 --header
    python benchmarks/linear.py ../shared/data/banking77 --header --ngrams 1-3 1-4 2-4 3-6
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from linear_references import fit_references, pair_up


def read(file: Path, has_header: bool) -> tuple[list[str], list[str]]:
    """Returns texts and labels."""
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    if has_header:
        return [" ".join(row[:-1]) for row in rows[1:]], [row[-1] for row in rows[1:]]
    return [" ".join(row[1:]) for row in rows], [row[0] for row in rows]


def clean_texts(texts: list[str]) -> list[str]:
    """Returns texts without remnants of markup, as models of ours read them."""
    import tensorflow as tf

    from agnews.components.text.clean import clean

    return [text.decode(errors="replace") for text in clean(tf.constant(texts)).numpy()]


def main() -> None:
    """Trains all three and prints what they get."""
    from agnews.components.linear.counted_texts import count_texts
    from agnews.components.linear.measure_linear import measure_linear
    from agnews.pipeline.corpus_settings import corpus_settings
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.schemas.learning_config import LinearConfig

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument(
        "--header", action="store_true", help="the files begin with names of columns, the label is last"
    )
    parser.add_argument(
        "--ngrams", nargs="*", default=[], metavar="FROM-TO", help="ours with other runs of characters too"
    )
    parser.add_argument("--cleaned", action="store_true", help="scikit-learn's on texts without markup too")
    arguments = parser.parse_args()
    (texts, labels), (asked, truth) = (
        read(arguments.data / f"{name}.csv", arguments.header) for name in ("train", "test")
    )
    names, number = np.unique(labels, return_inverse=True)
    expected = np.searchsorted(names, truth)
    answers: dict[str, np.ndarray] = {}

    def report(name: str, found: np.ndarray, seconds: float) -> None:
        answers[name] = found
        print(f"{name}: {np.mean(found == expected):.4f}, {seconds:.1f} s of processor", flush=True)

    said = {} if arguments.header else corpus_settings(load_corpus("ag_news").corpus, "linear").get("model", {})
    settings = LinearConfig.model_validate(said)
    candidates = {"ours": settings}
    candidates |= {f"ours {each}": settings.model_copy(update={"char_ngrams": each}) for each in arguments.ngrams}
    for name, each in candidates.items():
        started = time.process_time()
        found = measure_linear(count_texts(texts, each), number, asked, expected, num_classes=len(names))
        report(name, found.answers, time.process_time() - started)
    for how in ("", *((" on cleaned texts",) if arguments.cleaned else ())):
        started = time.process_time()
        known, unseen = (clean_texts(texts), clean_texts(asked)) if how else (texts, asked)
        cleaning = time.process_time() - started
        for name, found, seconds in fit_references(known, number, unseen):
            report(f"{name}{how}", found, cleaning + seconds)
    ours = answers["ours"] == expected
    for name in [each for each in answers if not each.startswith("ours")]:
        theirs = answers[name] == expected
        test = pair_up(ours, theirs, name)
        print(
            f"against {name}: {100 * test.difference:+.2f} points, won {test.only_candidate_right} and lost "
            f"{test.only_baseline_right} rows, p = {test.p_worse:.3f}, ratio {np.mean(ours) / np.mean(theirs):.4f}"
        )


if __name__ == "__main__":
    main()
