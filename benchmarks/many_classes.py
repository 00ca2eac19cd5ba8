"""A whole run with very many classes: that nothing grows with their square, and what it takes.

The same number of rows, once of few classes and once of many, each described by `agnews corpus init` and learnt by the
small transformer. What grows as the classes do is ten times as much with ten times the classes; what is a matter of the
rows stays; a square would be a hundred times. The texts are made of words that look like words; a class is known by
four of them, which other classes have as well.

    python benchmarks/many_classes.py
    python benchmarks/many_classes.py --classes 100 1000 --rows 20000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

AGNEWS = Path(sys.executable).with_name("agnews")
_SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "za", "chi", "sto")
_WORDS, _OF_CLASS = 4000, 4
SETTINGS = ("training.epochs=3", "training.batch_size=256", "training.learning_rate=2e-3", "model.kind=transformer")


def write_corpus(folder: Path, classes: int, rows: int) -> None:
    """Writes train.csv and test.csv: as many training rows of each class, and a test row for every four of them.

    Args:
        folder: Where to.
        classes: How many; each has three training rows at least.
        rows: Training rows.
    """
    random = np.random.default_rng(classes)
    words = np.unique(["".join(random.choice(_SYLLABLES, random.integers(2, 5))) for _ in range(2 * _WORDS)])[:_WORDS]
    own = np.stack([random.choice(len(words), _OF_CLASS, replace=False) for _ in range(classes)])
    for name, count in (("train.csv", max(rows, 3 * classes)), ("test.csv", max(rows // 4, classes))):
        labels = random.permutation(np.arange(count) % classes)
        others = random.integers(len(words), size=(count, 3))
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            for label, more in zip(labels.tolist(), others, strict=True):
                text = random.permutation(np.concatenate([own[label], more]))
                writer.writerow((" ".join(words[text]), f"part-{label:05}"))


class Taken(NamedTuple):
    """What a run took."""

    figures: dict[str, float]
    accuracy: float


def _command(*arguments: str | Path) -> tuple[float, float]:
    """Runs agnews; returns seconds of the processor and the most MiB of this and earlier ones."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(AGNEWS), *map(str, arguments)], capture_output=True, text=True, check=False, env={**os.environ}
    )
    # 3: not blessed, which after three epochs is no wonder.
    if done.returncode not in (0, 3):
        raise SystemExit(f"agnews {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def measure(folder: Path, classes: int, rows: int) -> Taken:
    """Makes a corpus and runs the pipeline on it."""
    folder.mkdir()
    write_corpus(folder, classes, rows)
    description, root = folder / "corpus.yaml", folder / "root"
    init, init_mb = _command("corpus", "init", folder / "train.csv", "--out", description)
    settings = [option for setting in SETTINGS for option in ("--set", setting)]
    start = time.monotonic()
    _command("run", "--corpus", description, "--root", root, "--no-push", *settings)
    wall = time.monotonic() - start
    (path,) = root.glob("runs/*/report.json")
    report = json.loads(path.read_text())
    figures = {"corpus init, seconds of processor": init, "corpus init, MiB": init_mb, "run, seconds": wall}
    figures |= {f"{name}, seconds": node["seconds"] or 0.0 for name, node in report["nodes"].items()}
    figures["run, MiB"] = report["peak_rss_mb"]
    figures["report.html, KiB"] = path.with_name("report.html").stat().st_size / 1024
    figures["report.json, KiB"] = path.stat().st_size / 1024
    figures["corpus.yaml, KiB"] = description.stat().st_size / 1024
    return Taken(figures, report["metrics"]["accuracy"])


def main() -> None:
    """Measures both, and prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs=2, default=(1_000, 10_000))
    parser.add_argument("--rows", type=int, default=60_000)
    arguments = parser.parse_args()
    few, many = arguments.classes
    with tempfile.TemporaryDirectory() as temporary:
        first, second = (
            measure(Path(temporary) / str(classes), classes, arguments.rows) for classes in arguments.classes
        )
    print(f"{arguments.rows:,} training rows{'':20}{few:>10,} classes{many:>10,} classes   ratio")
    for name, value in first.figures.items():
        other = second.figures[name]
        ratio = f"{other / value:7.2f}" if min(value, other) >= 0.5 else "      -"
        print(f"{name:40}{value:>18,.1f}{other:>18,.1f} {ratio}")
    print(f"{'accuracy':40}{first.accuracy:>18.2%}{second.accuracy:>18.2%}")


if __name__ == "__main__":
    main()
