"""What a shadow costs whoever asks: the 99th percentile at 30 % of capacity, with `--shadow` and without.

    python benchmarks/shadow.py DATA --root ROOT --shadow VERSION [--rounds 9] [--share 0.3]

DATA has test.csv, ROOT two pushed versions. Two servers run all the time, one with the shadow. First the capacity of
the plain one is measured; then both take a share of it in turns, from 8 clients that wait between their requests.
Printed are the median of the ratios of the 99th percentiles in neighbouring rounds with its 95 % interval, and how many
answers the shadow gave and left out; ends with 1 if the ratio is more than 1.2 or a request failed.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx
from median_interval import median_interval
from serving import AGNEWS, running
from wrk_load import Load, run_wrk, write_texts

MOST_TIMES = 1.2
CLIENTS = 8
PORTS = {"plain": 8741, "shadowed": 8742}


def main() -> int:
    """Measures and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--shadow", required=True, metavar="VERSION")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round")
    parser.add_argument("--share", type=float, default=0.3, help="of the capacity")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        texts = write_texts(arguments.data, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        urls = {}
        for name, port in PORTS.items():
            command = [str(AGNEWS), "serve", "--root", str(arguments.root), "--port", str(port)]
            command += ["--shadow", arguments.shadow] if name == "shadowed" else []
            stack.enter_context(running(command, f"http://127.0.0.1:{port}/readyz"))
            urls[name] = f"http://127.0.0.1:{port}/v1/models/agnews:predict"
            run_wrk(urls[name], texts, seconds=5, clients=CLIENTS)
        capacity = run_wrk(urls["plain"], texts, seconds=10, clients=CLIENTS).per_second
        think = CLIENTS / (arguments.share * capacity)
        ratios, failed = [], 0
        for number in range(1, arguments.rounds + 1):
            seen: dict[str, Load] = {}
            for name in sorted(PORTS, reverse=bool(number % 2)):
                seen[name] = run_wrk(
                    urls[name], texts, seconds=arguments.seconds, clients=CLIENTS, think=think, seed=number
                )
                failed += seen[name].failed
            ratios.append(seen["shadowed"].p99 / seen["plain"].p99)
            told = "  ".join(f"{name} {1000 * load.p99:5.1f} ms" for name, load in sorted(seen.items()))
            print(f"round {number}  p99 {told}  {ratios[-1]:.2f} times", flush=True)
        metrics = httpx.get(f"http://127.0.0.1:{PORTS['shadowed']}/metrics").text
    outcomes: Counter[str] = Counter()
    for outcome, count in re.findall(r'^agnews_shadow_rows_total{.*?outcome="(.*?)".*?} (\S+)$', metrics, re.MULTILINE):
        outcomes[outcome] += int(float(count))
    report = {
        "p99 times": round(statistics.median(ratios), 2),
        "interval": [round(end, 2) for end in median_interval(ratios)],
        "share of capacity": arguments.share,
        "requests per second at capacity": round(capacity),
        "failed": failed,
        "texts, by what the shadow made of them": dict(outcomes),
    }
    print(json.dumps(report, indent=2))
    return int(report["p99 times"] > MOST_TIMES or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
