"""Our server against a plain one: rows per second with 32 clients, and latency at 70 % of the capacity.

    python benchmarks/serving.py DATA --minilm ROOT --transformer ROOT --torch PYTHON

DATA has test.csv. ROOTs are those of runs with `--model bert_finetune` (or bert_frozen) and with `--model transformer`;
each has a pushed version. PYTHON is an interpreter with fastapi, uvicorn, torch and transformers:

    python3.11 -m venv torch-venv && torch-venv/bin/pip install torch transformers fastapi uvicorn

The plain server (plain_server.py) has the weights of our MiniLM, written back by `agnews encoder export`, and runs in
both ways in which people write it: each request in a thread of its own, and one after the other. All servers run all
the time, and take the load in turns; a ratio is that of rounds next to each other, and the median is printed.

Next to rows per second stand rows per second of processor time that the server used: on a machine that others use too,
a server with more threads gets more of it, and only the latter can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from wrk_load import Load, run_wrk, write_texts

AGNEWS = Path(sys.executable).with_name("agnews")
CLIENTS = 32
SHARE = 0.7
OURS, PLAIN = ("minilm", "transformer"), ("plain, threads", "plain, serial")
PORTS = {name: 8701 + number for number, name in enumerate((*OURS, *PLAIN))}
TRIES = 4


@contextmanager
def running(
    command: list[str], probe: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Keeps a server running that answers at a URL."""
    with suppress(httpx.TransportError):
        httpx.get(probe, timeout=10)
        raise SystemExit(f"{probe} answers already: end the server that was left there")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"ended with {process.returncode}: {' '.join(command)}")
            try:
                httpx.get(probe, timeout=10)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def export_checkpoint(root: Path, target: Path) -> None:
    """Writes the encoder of the pushed version as a Hugging Face checkpoint."""
    command = [str(AGNEWS), "encoder", "export", "latest", str(target), "--root", str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def at_share_of_capacity(url: str, texts: Path, capacity: float, seconds: float) -> Load:
    """Finds the think time with which the clients ask for 70 % of what the server can do, and measures."""
    latency = CLIENTS / capacity / 2
    for attempt in range(TRIES):
        think = max(CLIENTS / (SHARE * capacity) - latency, 0.0)
        last = attempt == TRIES - 1
        load = run_wrk(url, texts, seconds=seconds if last else seconds / 4, clients=CLIENTS, think=think, seed=attempt)
        # By Little's law, clients = rate x (latency + think).
        latency += CLIENTS / load.per_second - think - latency
    return load


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minilm", type=Path, required=True, metavar="ROOT")
    parser.add_argument("--transformer", type=Path, required=True, metavar="ROOT")
    parser.add_argument("--torch", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a round, for each server")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        texts = write_texts(arguments.data, folder)
        checkpoint = folder / "checkpoint"
        export_checkpoint(arguments.minilm, checkpoint)
        urls, processes = {}, {}
        for name, port in PORTS.items():
            base = f"http://127.0.0.1:{port}"
            if name in PLAIN:
                serial = ["--serial"] if name.endswith("serial") else []
                script = str(Path(__file__).with_name("plain_server.py"))
                command = [str(arguments.torch), script, str(checkpoint), "--port", str(port), *serial]
                urls[name], probe = f"{base}/predict", f"{base}/docs"
            else:
                root = getattr(arguments, name)
                command = [str(AGNEWS), "serve", "--root", str(root), "--port", str(port)]
                urls[name], probe = f"{base}/v1/models/agnews:predict", f"{base}/readyz"
            environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
            processes[name] = psutil.Process(stack.enter_context(running(command, probe, environment)).pid)
        report = measure(urls, processes, texts, rounds=arguments.rounds, seconds=arguments.seconds)
    print(json.dumps(report, indent=2))


def processor_seconds(process: psutil.Process) -> float:
    """Of a server and its children."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def measure(
    urls: Mapping[str, str], processes: Mapping[str, psutil.Process], texts: Path, *, rounds: int, seconds: float
) -> dict[str, object]:
    """Puts load on the servers in turns; prints as it goes."""
    for url in urls.values():
        run_wrk(url, texts, seconds=3, clients=CLIENTS)
    wall: dict[str, list[float]] = {name: [] for name in urls}
    processor: dict[str, list[float]] = {name: [] for name in urls}
    for number in range(rounds):
        for name, url in urls.items():
            before = processor_seconds(processes[name])
            load = run_wrk(url, texts, seconds=seconds, clients=CLIENTS, seed=number)
            wall[name].append(load.per_second)
            processor[name].append(load.requests / (processor_seconds(processes[name]) - before))
            print(
                f"round {number + 1}  {name:<15} {wall[name][-1]:7.1f} rows/s  {processor[name][-1]:7.1f} per s of "
                f"processor time  p50 {1000 * load.p50:6.1f} ms  p99 {1000 * load.p99:6.1f} ms  failed {load.failed}",
                flush=True,
            )
    report: dict[str, object] = {}
    for name in OURS:
        for unit, rates in {"rows/s": wall, "rows per s of processor time": processor}.items():
            plain = [max(pair) for pair in zip(*(rates[each] for each in PLAIN), strict=True)]
            ratios = [ours / theirs for ours, theirs in zip(rates[name], plain, strict=True)]
            shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            report[f"{name}, {unit}, times plain"] = round(statistics.median(ratios), 2)
            print(
                f"{name}, {unit}: {statistics.median(ratios):.2f} times the better plain server ({shown})", flush=True
            )
        tails = []
        for _ in range(3):
            load = at_share_of_capacity(urls[name], texts, statistics.median(wall[name]), 2 * seconds)
            tails.append(load.p99 / load.p50)
            print(
                f"{name} at {100 * load.per_second / statistics.median(wall[name]):.0f} % of its capacity: p50 "
                f"{1000 * load.p50:.1f} ms, p99 {1000 * load.p99:.1f} ms, {tails[-1]:.2f} times",
                flush=True,
            )
        report[f"{name}, p99/p50 at 70 % of its capacity"] = round(statistics.median(tails), 2)
    return report


if __name__ == "__main__":
    main()
