"""Processor time per request of two builds of the server, in alternating pairs.

    python benchmarks/serving_builds.py DATA --root ROOT --base AGNEWS [--ours AGNEWS] [--option OPTION ...]

DATA has test.csv. ROOT is that of a run of the base build with `--model transformer`, or any other that both can read.
AGNEWS is the command of another checkout, `/path/.venv/bin/agnews`; an OPTION is given to ours alone. Both servers run
all the time and take the load in turns, one client at a time in each order, so that what else the machine does falls on
both. Prints the ratio of ours to base: median, and the interval in which the median lies with 95 % confidence.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil
from scipy.stats import binom
from serving import processor_seconds, running
from wrk_load import run_wrk, write_texts

AGNEWS = Path(sys.executable).with_name("agnews")
CONFIDENCE = 0.95


def median_interval(values: list[float]) -> tuple[float, float]:
    """The interval of order statistics that holds the median."""
    ordered = sorted(values)
    first = int(binom.ppf((1 - CONFIDENCE) / 2, len(values), 0.5))
    return ordered[max(0, first - 1)], ordered[min(len(values) - 1, len(values) - first)]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, metavar="AGNEWS")
    parser.add_argument("--ours", type=Path, default=AGNEWS, metavar="AGNEWS")
    parser.add_argument("--option", action="append", default=[], dest="options")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        texts = write_texts(arguments.data, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        servers = {}
        for name, program, port, options in (
            ("base", arguments.base, 8731, []),
            ("ours", arguments.ours, 8732, arguments.options),
        ):
            command = [str(program), "serve", "--root", str(arguments.root), "--port", str(port), *options]
            process = stack.enter_context(running(command, f"http://127.0.0.1:{port}/readyz"))
            servers[name] = psutil.Process(process.pid), f"http://127.0.0.1:{port}/v1/models/agnews:predict"

        def cost(name: str, seed: int) -> float:
            process, url = servers[name]
            before = processor_seconds(process)
            load = run_wrk(url, texts, seconds=arguments.seconds, clients=arguments.clients, seed=seed)
            if load.failed:
                raise SystemExit(f"{name}: {load.failed} requests failed")
            return (processor_seconds(process) - before) / load.requests

        for name in servers:
            cost(name, 0)
        ratios, costs = [], {name: [] for name in servers}
        for pair in range(1, arguments.pairs + 1):
            order = list(servers) if pair % 2 else list(servers)[::-1]
            found = {name: cost(name, pair) for name in order}
            for name, value in found.items():
                costs[name].append(value)
            ratios.append(found["ours"] / found["base"])
            print(f"pair {pair}  {', '.join(f'{n} {1e6 * v:.0f} us' for n, v in found.items())}", flush=True)
    low, high = median_interval(ratios)
    report = {
        "ours / base": round(statistics.median(ratios), 4),
        "interval": [round(low, 4), round(high, 4)],
        "microseconds": {name: round(1e6 * statistics.median(each), 1) for name, each in costs.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
