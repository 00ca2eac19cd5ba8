"""What the log of requests costs: processor time of the server for a request, with the log and without it.

    python benchmarks/request_log.py DATA --root ROOT [--pairs 15] [--seconds 4]

DATA has test.csv, ROOT a pushed version. Two servers run all the time, one with `--log-requests` into a folder, and
take the same load in turns, 8 clients at a time that send one text each. Printed is the median of the ratios of
processor time for a request in neighbouring rounds, with a 95 % interval for the median.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psutil
from scipy import stats
from serving import AGNEWS, processor_seconds, running
from wrk_load import run_wrk, write_texts

from agnews.components.request_log.places import places_at
from agnews.components.request_log.read_requests import read_requests

CLIENTS = 8
PORTS = {"plain": 8731, "logging": 8732}


def median_interval(values: list[float]) -> tuple[float, float]:
    """Returns a 95 % interval for the median, from the order of the values."""
    ordered = sorted(values)
    skipped = max(int(stats.binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)
    return ordered[skipped], ordered[-1 - skipped]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        texts = write_texts(arguments.data, folder)
        processes, urls = {}, {}
        for name, port in PORTS.items():
            command = [str(AGNEWS), "serve", "--root", str(arguments.root), "--port", str(port)]
            command += ["--log-requests", str(folder / "log")] if name == "logging" else []
            base = f"http://127.0.0.1:{port}"
            process = stack.enter_context(running(command, f"{base}/readyz"))
            processes[name], urls[name] = psutil.Process(process.pid), f"{base}/v1/models/agnews:predict"
            run_wrk(urls[name], texts, seconds=5, clients=CLIENTS)
        ratios, answered = [], 0
        for number in range(arguments.pairs):
            cost = {}
            for name in sorted(PORTS, reverse=bool(number % 2)):
                before = processor_seconds(processes[name])
                load = run_wrk(urls[name], texts, seconds=arguments.seconds, clients=CLIENTS, seed=number)
                cost[name] = (processor_seconds(processes[name]) - before) / load.requests
                answered += load.requests if name == "logging" else 0
            ratios.append(cost["logging"] / cost["plain"])
            print(
                f"pair {number + 1:2}  plain {1e6 * cost['plain']:7.1f} us  logging {1e6 * cost['logging']:7.1f} us  "
                f"{ratios[-1]:.3f}",
                flush=True,
            )
        low, high = median_interval(ratios)
        rows = read_requests(places_at(str(folder / "log")), datetime(2020, 1, 1, tzinfo=UTC), names=["id"]).num_rows
        print(f"processor time for a request: {statistics.median(ratios):.3f} times ({low:.3f} to {high:.3f})")
        print(f"{rows:,} rows are in the log, {answered:,} requests were answered in the rounds")
        if rows < answered:
            sys.exit("rows are missing")


if __name__ == "__main__":
    main()
