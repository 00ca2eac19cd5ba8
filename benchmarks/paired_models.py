"""Processor time of a text in two pushed versions, which take the same texts in turns in one process.

    python benchmarks/paired_models.py ../shared/data/agnews FIRST_VERSION_FOLDER SECOND_VERSION_FOLDER

FOLDER is one of ROOT/models/NAME. TensorFlow, float32, one thread, the signature that a server calls: from texts to
probabilities. Prints the median of the ratios, second to first, and an interval of 95 %, for one text at a time and for
batches of 32.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the tokeniser's operations
from median_interval import median_interval

SIZES = {"one text": 1, "batches of 32": 32}


def main() -> None:
    """Loads both, asks them in turns and prints ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with test.csv")
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--pairs", type=int, default=31)
    arguments = parser.parse_args()
    with (arguments.data / "test.csv").open(newline="", encoding="utf-8") as file:
        texts = [" ".join(row[1:]) for row in csv.reader(file)]
    loaded = [tf.saved_model.load(str(folder)) for folder in (arguments.first, arguments.second)]
    answers = [model.signatures["serving_default"] for model in loaded]
    for name, size in SIZES.items():
        spent: list[list[float]] = [[], []]
        batches = -(-32 // size)
        for pair in range(arguments.pairs + 1):
            first = (pair * size * batches) % (len(texts) - size * batches)
            parts = [tf.constant(texts[first + size * i : first + size * (i + 1)]) for i in range(batches)]
            for which in (0, 1) if pair % 2 else (1, 0):
                started = time.process_time()
                for part in parts:
                    answers[which](part)
                spent[which].append(1000.0 * (time.process_time() - started) / (size * batches))
        ratios = [second / first for first, second in zip(*(each[1:] for each in spent), strict=True)]
        low, high = median_interval(ratios)
        medians = [statistics.median(each[1:]) for each in spent]
        print(
            f"{name}: {medians[0]:.1f} and {medians[1]:.1f} ms of the processor a text; "
            f"ratio {statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
