"""Rows a second of `agnews predict` on a file, beside the model alone on the same rows.

The model alone gets all texts from memory, sorted by length over the whole file, in batches of the same size: once a
batch at a time, and once as many at once as `agnews predict` asks for, which is the harder comparison. `agnews predict`
reads the file, answers it and writes a file, with the functions of the command. All take turns in one process, which
loads the model once; CPU seconds count all threads, and hardly depend on what else the machine does.

    python benchmarks/predict_throughput.py ../shared/data/agnews --root workspace
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.prediction.output_formats import OutputFormat, create_formatter, format_of
from agnews.components.prediction.read_texts import open_texts, read_texts
from agnews.components.prediction.text_blocks import text_blocks
from agnews.components.prediction.text_input import TextInput, text_format
from agnews.components.prediction.write_predictions import PredictionStyle, write_predictions
from agnews.components.serving_model.predictor import Predictor
from agnews.schemas.corpus_document import packaged_corpus

AG_NEWS = packaged_corpus()

BATCH = 128


def write_files(data: Path, rows: int, folder: Path) -> list[bytes]:
    """Writes so many rows of the corpus in each format; returns their texts."""
    found: list[tuple[str, str]] = []
    for name in ("test.csv", "train.csv"):
        with (data / name).open(newline="", encoding="utf-8") as file:
            found += [(title, text) for _, title, text in csv.reader(file)]
    found = found[:rows]
    with (folder / "news.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("title", "description"), *found])
    with (folder / "news.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"title": title, "description": text}) + "\n" for title, text in found)
    columns = {"title": [title for title, _ in found], "description": [text for _, text in found]}
    pq.write_table(pa.table(columns), folder / "news.parquet")
    return [" ".join(row).encode() for row in found]


def one_at_a_time(serve: Callable[..., dict[str, tf.Tensor]], texts: NDArray[np.object_]) -> None:
    """Asks the model about texts that are sorted by length."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    for start in range(0, len(texts), BATCH):
        serve(text=tf.constant(texts[order[start : start + BATCH]], tf.string))["probabilities"].numpy()


def some_at_once(predictor: Predictor, texts: NDArray[np.object_]) -> None:
    """The same with several batches at once."""
    predictor.probabilities(texts, batch_size=BATCH)


def answer_file(path: Path, predictor: Predictor, classes: tuple[str, ...], output: Path) -> None:
    """Does what `agnews predict --file PATH --output OUTPUT` does once the model is loaded."""
    source = TextInput(str(path), text_format(str(path)), AG_NEWS)
    formatter = create_formatter(format_of(str(output)) or OutputFormat.JSONL, PredictionStyle(classes, "1"))

    def on_reject(reject: object) -> None:
        raise ValueError(reject)

    with output.open("wb") as out:
        write_predictions(
            text_blocks(read_texts(open_texts(source), source), live=False),
            predict=partial(predictor.probabilities, batch_size=BATCH),
            formatter=formatter,
            out=out,
            on_reject=on_reject,
        )


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Runs some work; returns seconds by the clock and on CPUs."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def main() -> None:
    """Measures all in turns, and prints rows a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--root", type=Path, default=Path("workspace"), help="root with a pushed model")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pushed = find_pushed_model(ModelStore(str(arguments.root.absolute() / "models"), "agnews"))
    predictor = Predictor(pushed.folder, pushed.record.classes)
    serve = tf.saved_model.load(pushed.folder).signatures["serving_default"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = np.array(write_files(arguments.data, arguments.rows, folder), object)
        files = {"news.csv": "answers.csv", "news.jsonl": "answers.jsonl", "news.parquet": "answers.csv"}
        work: dict[str, Callable[[], None]] = {
            "model alone, a batch at a time": lambda: one_at_a_time(serve, texts),
            "model alone, batches at once": lambda: some_at_once(predictor, texts),
        }
        for given, written in files.items():
            work[f"agnews predict, {Path(given).suffix[1:]} to {Path(written).suffix[1:]}"] = partial(
                answer_file, folder / given, predictor, pushed.record.classes, folder / written
            )
        for task in work.values():
            task()
        times: dict[str, list[tuple[float, float]]] = {task: [] for task in work}
        for _ in range(arguments.rounds):
            for task, do in work.items():
                times[task].append(timed(do))
    print(f"{len(texts):,} rows, batches of {BATCH}, median of {arguments.rounds} rounds")
    medians = {
        task: (statistics.median(t for t, _ in found), statistics.median(c for _, c in found))
        for task, found in times.items()
    }
    alone, at_once = list(medians.values())[:2]
    for task, (seconds, cpu) in medians.items():
        print(
            f"{task:32} {len(texts) / seconds:8,.0f} rows/s  {1e6 * cpu / len(texts):6.0f} us of CPU a row  "
            f"{alone[0] / seconds:5.0%} of a batch at a time  {at_once[0] / seconds:5.0%} of batches at once  "
            f"CPU {cpu / at_once[1]:.2f}"
        )


if __name__ == "__main__":
    main()
