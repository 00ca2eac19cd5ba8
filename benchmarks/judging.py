"""Processor time of a row that the Evaluator predicts beside one of `agnews predict`: the same rows, the same engine.

    python benchmarks/judging.py DATA --root ROOT [--rows 1920] [--pairs 9]

DATA has test.csv, ROOT a pushed version; the engine is the one that `--engine auto` takes. Both sides are the functions
of node and command: the one reads Examples and writes its table and the log of answers, the other reads CSV and writes
JSON Lines. They take turns in one process, which loads the model once. Prints the median of the ratios, and an interval
of 90 %.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from predict_throughput import answer_file

from agnews.components.evaluator.predict_split import predict_split
from agnews.components.evaluator.raw_rows import read_rows
from agnews.components.example_files.write_records import whole_records
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.serving_model.load_predictor import load_as_served
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEXT


def write_inputs(data: Path, rows: int, folder: Path) -> tuple[Path, Path]:
    """Writes the rows as a CSV file and as Examples."""
    with (data / "test.csv").open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.reader(file) if row[0].isdecimal()][:rows]
    table, records = folder / "rows.csv", folder / "rows.gz"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("title", "description"), *(row[1:] for row in found)])
    with whole_records(str(records)) as writer:
        for number, (label, title, text) in enumerate(found, 1):
            text = f"{title} {text}"
            values = {TEXT: text, HAS_MARKUP: "no", LABEL: int(label) - 1, NUM_WORDS: len(text.split()), ROW: number}
            features = tf.train.Features(feature={name: feature_of(value) for name, value in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return table, records


def feature_of(value: str | int) -> tf.train.Feature:
    """Makes a feature of one value."""
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def processor(work: Callable[[], object]) -> float:
    """Seconds of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measures in turns, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, default=Path("workspace"))
    parser.add_argument("--rows", type=int, default=1920)
    parser.add_argument("--pairs", type=int, default=9)
    arguments = parser.parse_args()
    pushed = find_pushed_model(ModelStore(str(arguments.root.absolute() / "models"), "agnews"))
    predictor, engine = load_as_served(pushed.folder, pushed.record.classes, pushed.record.version)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, records = write_inputs(arguments.data, arguments.rows, folder)

        def judge() -> None:
            rows = read_rows([str(records)])
            predict_split(
                rows, candidate=predictor.probabilities, baseline=None, output=str(folder / "answers.parquet")
            )

        sides = {
            "Evaluator": judge,
            "agnews predict": partial(answer_file, table, predictor, pushed.record.classes, folder / "answers.jsonl"),
        }
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for work in sides.values():
            work()
        for pair in range(arguments.pairs):
            for name in list(sides) if pair % 2 else list(sides)[::-1]:
                taken[name].append(processor(sides[name]))
    for name, each in taken.items():
        print(f"{name:16}{engine:16}{1e3 * float(np.median(each)) / arguments.rows:8.3f} ms of the processor a row")
    ratios = [ours / theirs for ours, theirs in zip(taken["Evaluator"], taken["agnews predict"], strict=True)]
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    print(f"Evaluator / agnews predict: {middle:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
