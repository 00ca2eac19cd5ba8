"""Processor time per request of two builds of the server, in alternating pairs.

    python benchmarks/serving_builds.py DATA --root ROOT --base AGNEWS [--ours AGNEWS] [--option OPTION ...]

DATA has test.csv. ROOT is that of a run of the base build with `--model transformer`, or any other that both can read.
AGNEWS is the command of another checkout, `/path/.venv/bin/agnews`; an OPTION is given to ours alone. In each pair both
servers are started anew and take the load in turns, so that what else the machine does falls on both. Prints the ratio
of ours to base: median, and the interval in which the median lies with 95 % confidence.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from paired_servers import compare_servers
from wrk_load import write_texts

AGNEWS = Path(sys.executable).with_name("agnews")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, metavar="AGNEWS")
    parser.add_argument("--ours", type=Path, default=AGNEWS, metavar="AGNEWS")
    parser.add_argument("--option", action="append", default=[], dest="options")
    parser.add_argument("--pairs", type=int, default=15, help="starts of both")
    parser.add_argument("--rounds", type=int, default=3, help="of each in a pair")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    arguments = parser.parse_args()
    serve = ["serve", "--root", str(arguments.root)]
    with tempfile.TemporaryDirectory() as folder:
        found = compare_servers(
            {"base": [str(arguments.base), *serve], "ours": [str(arguments.ours), *serve, *arguments.options]},
            write_texts(arguments.data, Path(folder)),
            pairs=arguments.pairs,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
        )
    report = {
        "ours / base": round(found.ratio, 4),
        "interval": [round(each, 4) for each in found.interval],
        "microseconds": {name: round(1e6 * statistics.median(each), 1) for name, each in found.costs.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
