"""Processor time per request of two builds of the server, in alternating pairs.

    python benchmarks/serving_builds.py DATA --root ROOT --base AGNEWS [--base-root ROOT] [--ours AGNEWS]
                                        [--option OPTION ...] [--tail]

DATA has test.csv. ROOT is that of a run of the base build with `--model transformer`, or any other that both can read;
where the base cannot read ours, it gets a root of its own, with a model of the same shape.
AGNEWS is the command of another checkout, `/path/.venv/bin/agnews`; an OPTION is given to ours alone. In each pair
both servers are started anew twice and take the load in turns, so that what else the machine does falls on both. Prints
the ratio of ours to base: median, and the interval in which the median lies with 95 % confidence. With --tail, ours is
then asked for 70 % of what it can do, by 32 clients that pause in between: p50 and p99.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from paired_servers import PORTS, compare_servers
from serving import CLIENTS, at_share_of_capacity, running
from wrk_load import run_wrk, write_texts

AGNEWS = Path(sys.executable).with_name("agnews")


def tail(command: list[str], texts: Path) -> dict[str, float]:
    """Latency at 70 % of what a server can do with many clients: of three times, the one in the middle by p99 / p50."""
    base = f"http://127.0.0.1:{PORTS[0]}"
    url = f"{base}/v1/models/agnews:predict"
    with running([*command, "--port", str(PORTS[0])], f"{base}/readyz"):
        run_wrk(url, texts, seconds=3, clients=CLIENTS)
        capacity = run_wrk(url, texts, seconds=8, clients=CLIENTS).per_second
        loads = [at_share_of_capacity(url, texts, capacity, seconds=20) for _ in range(3)]
    load = sorted(loads, key=lambda each: each.p99 / each.p50)[1]
    return {
        "rows per second at most": round(capacity, 1),
        "rows per second": round(load.per_second, 1),
        "p50, ms": round(1e3 * load.p50, 2),
        "p99, ms": round(1e3 * load.p99, 2),
        "p99 / p50": round(load.p99 / load.p50, 2),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, metavar="AGNEWS")
    parser.add_argument("--base-root", type=Path, metavar="ROOT", help="where it is another than ROOT")
    parser.add_argument("--ours", type=Path, default=AGNEWS, metavar="AGNEWS")
    parser.add_argument("--option", action="append", default=[], dest="options")
    parser.add_argument("--pairs", type=int, default=15, help="each of two starts of both")
    parser.add_argument("--rounds", type=int, default=2, help="of each after a start")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--tail", action="store_true", help="p50 and p99 of ours at 70 %% of what it can do, too")
    arguments = parser.parse_args()
    ours = [str(arguments.ours), "serve", "--root", str(arguments.root), *arguments.options]
    with tempfile.TemporaryDirectory() as folder:
        texts = write_texts(arguments.data, Path(folder))
        found = compare_servers(
            {
                "base": [str(arguments.base), "serve", "--root", str(arguments.base_root or arguments.root)],
                "ours": ours,
            },
            texts,
            pairs=arguments.pairs,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
        )
        tails = tail(ours, texts) if arguments.tail else {}
    report = {
        "ours / base": round(found.ratio, 4),
        "interval": [round(each, 4) for each in found.interval],
        "microseconds": {name: round(1e6 * statistics.median(each), 1) for name, each in found.costs.items()},
    }
    print(json.dumps(report | ({"at 70 %": tails} if tails else {}), indent=2))


if __name__ == "__main__":
    main()
