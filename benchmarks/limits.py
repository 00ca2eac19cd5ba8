"""What this processor can do, by precision, and which share of it answering and training reach.

    python benchmarks/limits.py DATA --root ROOT [--rows 480] [--rounds 5]

DATA is AG News' folder, ROOT one whose version in production has MiniLM's shape; each export of that version is a line
of its own (`agnews export --to openvino --precision float32`, and so on). Everything is one thread and processor time,
so that what else the machine does hardly counts. Work is counted as products of matrices for the word pieces that texts
have: padding, tokens, normalisation, softmax and GELU count as none, so that a share of 100 % cannot be reached.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from core_peak import PRECISIONS, peak, processor_flags, processor_name
from encoder_throughput import make_batches, tensorflow_side
from network_flop import MINILM

from agnews.components.engines.find_export import find_exports
from agnews.components.engines.text_engine import open_export
from agnews.components.model_export.cut_model import CutModel
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model

BATCH = 32
BATCHES_OF_TRAINING = 4


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Processor time, the median of some rounds behind one that prepares kernels."""
    work()
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def read_batches(data: Path, rows: int) -> list[list[bytes]]:
    """Reads test texts, in batches of similar length."""
    with (data / "test.csv").open(newline="", encoding="utf-8") as file:
        texts = [" ".join(row[1:]).encode() for row in csv.reader(file) if row[0].isdecimal()][:rows]
    texts.sort(key=len)
    return [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]


def print_line(name: str, rows: int, gflop: float, taken: float, limit: float) -> None:
    """Prints milliseconds a row, GFLOP/s, and the share of the limit."""
    print(
        f"{name:44}{1e3 * taken / rows:8.2f} ms a row{gflop / taken:8.0f} GFLOP/s{gflop / taken / limit:8.0%}",
        flush=True,
    )


def answering(batches: Sequence[Sequence[bytes]], root: Path, rounds: int, limits: dict[str, float]) -> None:
    """Prints what the version and its exports make of the texts, tokens included."""
    pushed = find_pushed_model(ModelStore(str(root.absolute() / "models"), "agnews"))
    cut = CutModel(pushed.folder)
    lengths = np.concatenate([cut.tokens(batch)[1].sum(axis=1) for batch in batches])
    gflop = 1e-9 * sum(map(MINILM.forward, lengths))
    print(
        f"\n{len(lengths)} texts of AG News, {lengths.mean():.1f} word pieces each, MiniLM's shape, batches of {BATCH}"
    )
    sides = {"TensorFlow, float32": (cut.probabilities, "float32")}
    for found in find_exports(pushed.folder):
        sides[found.export.name] = open_export(found, batches=1).probabilities, found.export.precision
    for name, (answer, precision) in sides.items():
        taken = seconds(lambda answer=answer: [answer(batch) for batch in batches], rounds)
        print_line(name, len(lengths), gflop, taken, limits[precision])


def training(data: Path, rounds: int, limit: float) -> None:
    """Prints what a step of fine-tuning makes."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "batches.npz")
        make_batches(data, BATCHES_OF_TRAINING, file)
        arrays = np.load(file)
        batches = [(arrays[f"ids{number}"], arrays[f"labels{number}"]) for number in range(BATCHES_OF_TRAINING)]
    step = tensorflow_side("ours", 1)["train"]
    lengths = np.concatenate([(ids > 0).sum(axis=1) for ids, _ in batches])
    taken = seconds(lambda: [step(*batch) for batch in batches], rounds)
    print_line(
        "fine-tuning in TensorFlow, float32", len(lengths), 1e-9 * sum(map(MINILM.training, lengths)), taken, limit
    )


def main() -> None:
    """Probes the processor, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--root", type=Path, default=Path("workspace"))
    parser.add_argument("--rows", type=int, default=480)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    import tensorflow as tf

    # Before anything of it runs; OpenVINO is told where it is opened.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(processor_name())
    limits = {}
    for precision in PRECISIONS:
        flags = processor_flags(precision)
        if precision == "bfloat16" and not flags:
            print(f"{precision:10} no instructions for it")
            continue
        limits[precision] = peak(precision)
        print(f"{precision:10}{limits[precision]:6.0f} GFLOP/s a core   {', '.join(flags) or 'no instructions for it'}")
    answering(read_batches(arguments.data, arguments.rows), arguments.root, arguments.rounds, limits)
    training(arguments.data, arguments.rounds, limits["float32"])


if __name__ == "__main__":
    main()
