"""NewsExampleGen against TFX's CsvExampleGen: rows per second, and what four times the rows cost.

CsvExampleGen cannot read the official format, so it gets the same rows with a header and without line ends inside
quotes. Ours does more with them: it judges every row, keeps duplicates on one side, and writes a card. Timed is `Do` of
both executors on Beam's in-process runner, each run in a process of its own, after all imports. CPU seconds count all
threads; they hardly depend on what else the machine does.

    python benchmarks/example_gen.py ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FACTOR = 4
BEAM_ARGS = [
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    # Else TFX packs itself for remote workers whenever an executor is made.
    "--sdk_container_image=unused",
]


class Measured(NamedTuple):
    """Seconds by the clock and on CPUs, peak MiB, and MiB before the work began."""

    seconds: float
    cpu: float
    peak: float
    before: float


def write_rows(data: Path, folder: Path, factor: int) -> int:
    """Writes `factor` times the rows in both formats, no two of them the same; returns how many."""
    count = 0
    for name in ("train", "test"):
        with (data / f"{name}.csv").open(newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
        for kind in ("ours", "stock"):
            target = folder / kind / (f"{name}.csv" if kind == "ours" else f"{name}/rows.csv")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, quoting=csv.QUOTE_ALL if kind == "ours" else csv.QUOTE_MINIMAL)
                if kind == "stock":
                    writer.writerow(["label", "title", "description"])
                for copy in range(factor):
                    suffix = f" copy {copy}" if copy else ""
                    writer.writerows([label, title, text.replace("\n", " ") + suffix] for label, title, text in rows)
        count += factor * len(rows)
    return count


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Runs some work; returns seconds by the clock and on CPUs."""
    clock, cpu = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - clock, time.process_time() - cpu


def run_ours(folder: Path, out: Path) -> tuple[float, float]:
    """Runs our executor; returns seconds by the clock and on CPUs."""
    from tfx.types.standard_artifacts import Examples

    from agnews.components.artifact_types import StepReport
    from agnews.components.news_example_gen.executor import Executor
    from agnews.schemas.corpus_document import packaged_corpus

    examples, card = Examples(), StepReport()
    examples.uri, card.uri = str(out / "examples"), str(out / "card")
    executor = Executor(Executor.Context(beam_pipeline_args=BEAM_ARGS, tmp_dir=str(out / "tmp"), unique_id="1"))
    properties = {
        "data_uri": str(folder),
        "corpus": packaged_corpus().canonical(),
        "window": 0,
        "digest": "",
        "limit": 0,
        "eval_share": 0.1,
        "max_reject_share": 0.01,
        "seed": 1,
        "code_version": "",
    }
    return timed(lambda: executor.Do({}, {"examples": [examples], "data_card": [card]}, properties))


def run_stock(folder: Path, out: Path) -> tuple[float, float]:
    """Runs the executor of CsvExampleGen; returns seconds by the clock and on CPUs."""
    from tfx.components.example_gen.csv_example_gen.executor import Executor
    from tfx.proto import example_gen_pb2
    from tfx.types.standard_artifacts import Examples
    from tfx.utils import proto_utils

    examples = Examples()
    examples.uri = str(out / "examples")
    splits = [example_gen_pb2.Input.Split(name=name, pattern=f"{name}/*") for name in ("train", "test")]
    executor = Executor(Executor.Context(beam_pipeline_args=BEAM_ARGS, tmp_dir=str(out / "tmp"), unique_id="1"))
    properties = {
        "input_base": str(folder),
        "input_config": proto_utils.proto_to_json(example_gen_pb2.Input(splits=splits)),
        "output_config": proto_utils.proto_to_json(example_gen_pb2.Output()),
        "output_data_format": example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE,
    }
    return timed(lambda: executor.Do({}, {"examples": [examples]}, properties))


def measure(kind: str, folder: Path) -> Measured:
    """Runs one executor in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, __file__, str(folder / kind), "--only", kind, "--out", out]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def peak_mib() -> float:
    """Returns the most memory that this process ever held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Measures both at two sizes and prints figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--only", choices=("ours", "stock"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        import apache_beam  # noqa: F401
        import tensorflow  # noqa: F401
        from tfx import v1  # noqa: F401

        before = peak_mib()
        seconds, cpu = (run_ours if arguments.only == "ours" else run_stock)(arguments.data, arguments.out)
        print(json.dumps([seconds, cpu, peak_mib(), before]))
        return
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for factor in (1, FACTOR):
            rows = write_rows(arguments.data, Path(folder, str(factor)), factor)
            for kind in ("ours", "stock"):
                it = found[kind, factor] = measure(kind, Path(folder, str(factor)))
                name = "NewsExampleGen" if kind == "ours" else "CsvExampleGen"
                print(
                    f"{name:15} {rows:7,} rows  {it.seconds:6.2f} s, {it.cpu:6.2f} s of CPU"
                    f"  {rows / it.seconds:7,.0f} rows/s"
                    f"  peak {it.peak:5,.0f} MiB, {it.peak - it.before:,.0f} of them for the work",
                    flush=True,
                )
    for factor in (1, FACTOR):
        ours, stock = found["ours", factor], found["stock", factor]
        print(f"{factor} x rows: {stock.seconds / ours.seconds:.1f} times as fast, CPU {stock.cpu / ours.cpu:.1f}")
    for kind in ("ours", "stock"):
        one, many = found[kind, 1], found[kind, FACTOR]
        print(
            f"{kind}: {FACTOR} x rows cost {many.seconds / one.seconds:.2f} x the seconds, "
            f"{many.cpu / one.cpu:.2f} x the CPU and {many.peak / one.peak:.2f} x the peak memory"
        )


if __name__ == "__main__":
    main()
