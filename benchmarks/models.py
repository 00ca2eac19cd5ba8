"""The table in docs/models.md: every model through the whole pipeline, one row each.

    python benchmarks/models.py DATA
    python benchmarks/models.py DATA --run bert_frozen:8000 --run bert_finetune:8000:training.epochs=3

A run is MODEL, MODEL:ROWS or MODEL:ROWS:KEY=VALUE,KEY=VALUE; ROWS is the number of training rows (empty: all). Seconds
are those of the Trainer on this machine, reading rows and exporting included; what can be compared is their ratio to
the first row's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DEFAULT_RUNS = ("transformer", "transformer:8000", "bert_frozen:8000", "bert_finetune:8000", "bert_frozen")


def run(data: Path, root: Path, wanted: str) -> dict[str, Any]:
    """Runs the pipeline and returns its report."""
    model, rows, settings = (*wanted.split(":", 2), "", "")[:3]
    changes = [f"data.limit={rows}"] if rows else []
    changes += settings.split(",") if settings else []
    agnews = Path(sys.executable).with_name("agnews")
    command = [str(agnews), "run", "--data", str(data), "--root", str(root), "--model", model]
    before = set(root.glob("runs/*/report.json"))
    done = subprocess.run(
        [*command, *(part for change in changes for part in ("--set", change))], check=False, stdout=sys.stderr
    )
    # 3: not blessed, because a model may be worse than the one before; its figures count all the same.
    if done.returncode not in (0, 3):
        raise SystemExit(f"agnews run ended with {done.returncode}")
    (path,) = set(root.glob("runs/*/report.json")) - before
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def main() -> None:
    """Runs all and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--run", action="append", dest="runs", metavar="MODEL[:ROWS[:SETTINGS]]")
    parser.add_argument("--root", type=Path, help="keep the runs in this folder")
    arguments = parser.parse_args()
    print("| model | rows | settings | test accuracy | Trainer, s | ratio | serving: ms a text | rows/s | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        first = 0.0
        for wanted in arguments.runs or DEFAULT_RUNS:
            # A root for each run: each one is a first run, whose smoke test no baseline can skip.
            root = (arguments.root or Path(folder)) / wanted.replace(":", "_").replace("/", "_")
            root.mkdir(parents=True, exist_ok=True)
            report = run(arguments.data, root, wanted)
            seconds = report["nodes"]["Trainer"]["seconds"]
            first = first or seconds
            serving = report["serving"]
            print(
                f"| {wanted.split(':')[0]} | {report['data']['rows']['train']:,} | {':'.join(wanted.split(':')[2:])} "
                f"| {100 * report['metrics']['accuracy']:.2f} % | {seconds:.0f} | {seconds / first:.1f} "
                f"| {serving['latency_ms']:.1f} | {serving['rows_per_second']:.0f} | {serving['size_mb']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
