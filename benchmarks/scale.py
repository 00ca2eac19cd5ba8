"""How the data path grows with the rows, and what other runners than this process take for it.

    python benchmarks/scale.py ../shared/data/agnews                  once, ten and thirty times its rows, here
    python benchmarks/scale.py ../shared/data/agnews --times 30 --against multiprocess
    python benchmarks/scale.py ../shared/data/agnews --times 10 --against flink --execution execution.yaml

Each run is `agnews run --to TokenGate` in a root and a process of its own. Rows are multiplied by turning the words of
each text, so that few are copies and none has other letters. Processor seconds are those of all processes that a run
starts here: an engine's own, and the workers of its pool, are none of them, and are added where `--engine PID ...`
names them (`python tests/flink/flink_cluster.py FOLDER` says which they are).
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from agnews.components.available_cores import available_cores


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds by the clock, processor seconds, the largest process in MiB."""

    clock: float
    processor: float
    memory: float


def multiply(source: Path, target: Path, times: int) -> int:
    """Writes the training rows so many times, each time begun with another word; returns how many rows."""
    target.mkdir(parents=True)
    (target / "test.csv").write_bytes((source / "test.csv").read_bytes())
    with (source / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with (target / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        for copy in range(times):
            writer.writerows([*row[:-1], _turned(row[-1], copy)] for row in rows)
    return times * len(rows)


def _turned(text: str, by: int) -> str:
    words = text.split(" ")
    by %= len(words)
    return " ".join([*words[by:], *words[:by]])


def run(data: Path, root: Path, options: Sequence[str], engine: Sequence[int] = ()) -> Cost:
    """Runs the data path; a failure ends the benchmark."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    of_engine = sum(map(_processor_of, engine))
    command = [str(Path(sys.executable).with_name("agnews")), "run", "--data", str(data), "--root", str(root)]
    process = subprocess.Popen([*command, "--to", "TokenGate", *options], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _largest(process.pid))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"the run in {root} failed with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.monotonic() - started, processor + sum(map(_processor_of, engine)) - of_engine, peak)


def _processor_of(pid: int) -> float:
    """Of a process and all its children, those that have ended too."""
    return sum(map(_spent, [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]))


def _spent(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # Its parent has its seconds by now.
    return float(times.user + times.system + times.children_user + times.children_system)


def _largest(pid: int) -> float:
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return max(process.memory_info().rss for process in processes) / 2**20
    except psutil.Error:
        return 0.0


def main() -> None:
    """Runs and prints ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--times", type=int, nargs="*", default=[10, 30], help="how often the rows are taken")
    parser.add_argument("--against", help="another runner, compared with this process on the same rows")
    parser.add_argument("--execution", type=Path, help="where that runner is")
    parser.add_argument("--parallelism", type=int, default=available_cores())
    parser.add_argument("--engine", type=int, nargs="*", default=[], metavar="PID", help="the engine's own processes")
    arguments = parser.parse_args()
    other = ["--beam", f"runner={arguments.against}", "--beam", f"parallelism={arguments.parallelism}"]
    other += ["--execution", str(arguments.execution)] if arguments.execution else []
    with tempfile.TemporaryDirectory() as folder:
        scratch, first = Path(folder), None
        for times in [*([] if arguments.against else [1]), *arguments.times]:
            rows = multiply(arguments.data, scratch / f"data-{times}", times)
            cost = run(scratch / f"data-{times}", scratch / f"root-{times}", [])
            print(f"{rows:>9,} rows here: {_said(cost)}", flush=True)
            if arguments.against:
                theirs = run(scratch / f"data-{times}", scratch / f"other-{times}", other, arguments.engine)
                print(f"{rows:>9,} rows on {arguments.against}: {_said(theirs)}")
                print(
                    f"          {cost.clock / theirs.clock:.2f} times as fast by the clock, for "
                    f"{theirs.processor / cost.processor:.2f} times the processor seconds"
                )
            elif first is None:
                first = cost
            else:
                print(
                    f"          {cost.processor / first.processor:.2f} times the processor seconds of once, "
                    f"{cost.memory / first.memory:.2f} times the memory"
                )


def _said(cost: Cost) -> str:
    return f"{cost.clock:.1f} s, {cost.processor:.1f} processor seconds, {cost.memory:,.0f} MiB at most"


if __name__ == "__main__":
    main()
