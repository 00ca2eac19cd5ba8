"""What the log of requests costs: processor time of the server for a request, with the log and without it.

    python benchmarks/request_log.py DATA --root ROOT [--pairs 15] [--rounds 2] [--seconds 2]

DATA has test.csv, ROOT a pushed version. In each pair two servers are started anew twice, one with `--log-requests`
into a folder, and take the same load in turns, 8 clients at a time that send one text each. Printed is the median of
the pairs' ratios of processor time for a request, with a 95 % interval for the median.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from paired_servers import compare_servers
from serving import AGNEWS
from wrk_load import write_texts

from agnews.components.request_log.places import places_at
from agnews.components.request_log.read_requests import read_requests


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=15, help="each of two starts of both")
    parser.add_argument("--rounds", type=int, default=2, help="of each after a start")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = [str(AGNEWS), "serve", "--root", str(arguments.root)]
        found = compare_servers(
            {"plain": serve, "logging": [*serve, "--log-requests", str(folder / "log")]},
            write_texts(arguments.data, folder),
            pairs=arguments.pairs,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
        )
        rows = read_requests(places_at(str(folder / "log")), datetime(2020, 1, 1, tzinfo=UTC), names=["id"]).num_rows
    low, high = found.interval
    print(f"processor time for a request: {found.ratio:.3f} times ({low:.3f} to {high:.3f})")
    print(f"{rows:,} rows are in the log, {found.answered['logging']:,} requests were answered")
    if rows < found.answered["logging"]:
        sys.exit("rows are missing")


if __name__ == "__main__":
    main()
