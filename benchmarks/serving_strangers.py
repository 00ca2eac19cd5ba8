"""Clients that do nothing or next to nothing, and what the others notice of them.

    python benchmarks/serving_strangers.py DATA --root ROOT [--idle 5000] [--slow 500] [--rounds 5]

DATA has test.csv, ROOT a pushed version. Idle clients connect and are silent. Of the slow ones, a third sends its
headers byte by byte, a third its body, and a third does not read its answers; whoever is cut off comes again. Rounds
with and without them take turns; each asks with 8 clients at less than the server's capacity. Prints the ratio of the
99th percentiles and how much the server's memory grew; ends with 1 if it is more than 3 times, 100 MiB, or a request
failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import re
import resource
import socket
import statistics
import sys
import tempfile
from contextlib import ExitStack, suppress
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx
import psutil
from serving import AGNEWS, running
from wrk_load import run_wrk, write_texts

MOST_TIMES = 3.0
MOST_MIB = 100.0
CLIENTS = 8
THINK = 0.02
PATH = b"/v1/models/agnews:predict"
HEAD = b"POST " + PATH + b" HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def idle(port: int) -> None:
    """Is silent, and comes again when it is sent away."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            writer.close()
        await asyncio.sleep(1)


async def trickle(port: int, first: bytes, content: bytes) -> None:
    """Sends something at once, and then a byte every half second."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            for byte in content:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
            writer.close()
        await asyncio.sleep(1)


async def deaf(port: int) -> None:
    """Asks again and again, and reads nothing."""
    loop = asyncio.get_running_loop()
    while True:
        with suppress(OSError), socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", port))
            while True:
                # Cheap to answer: what others notice shall be the connection, not work for the model.
                await loop.sock_sendall(connection, GET)
                await asyncio.sleep(1.5)
        await asyncio.sleep(1)


async def be_strange(port: int, silent: int, slow: int, there: Event, stop: Event) -> None:
    """Keeps all strangers busy until it is told to stop."""
    head = HEAD + b"Content-Length: 1000\r\n\r\n"
    kinds = (lambda: trickle(port, b"", head), lambda: trickle(port, head, b" " * 1000), lambda: deaf(port))
    tasks = []
    for number in range(slow):
        tasks.append(asyncio.create_task(kinds[number % 3]()))
        await asyncio.sleep(0.005)
    for _ in range(silent):
        tasks.append(asyncio.create_task(idle(port)))
        await asyncio.sleep(0.001)
    await asyncio.sleep(3)
    there.set()
    while not stop.is_set():
        await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()


def strangers(port: int, silent: int, slow: int, there: Event, stop: Event) -> None:
    """Runs in a process of its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, silent + slow + 256)), hard))
    asyncio.run(be_strange(port, silent, slow, there, stop))


def main() -> int:
    """Runs and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--slow", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--port", type=int, default=8740)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        texts = write_texts(arguments.data, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        base = f"http://127.0.0.1:{arguments.port}"
        command = [str(AGNEWS), "serve", "--root", str(arguments.root), "--port", str(arguments.port)]
        server = psutil.Process(stack.enter_context(running(command, f"{base}/readyz")).pid)

        def load(seed: int) -> tuple[float, int]:
            found = run_wrk(
                f"{base}{PATH.decode()}", texts, seconds=arguments.seconds, clients=CLIENTS, think=THINK, seed=seed
            )
            return found.p99, found.failed

        load(0)
        before, ratios, growth, failed, seen = server.memory_info().rss, [], [], 0, []
        refused: list[tuple[str, str]] = []
        for number in range(1, arguments.rounds + 1):
            alone, lost = load(number)
            failed += lost
            there, stop = context.Event(), context.Event()
            process = context.Process(
                target=strangers, args=(arguments.port, arguments.idle, arguments.slow, there, stop), daemon=True
            )
            process.start()
            there.wait(120)
            seen.append(len(server.net_connections()))
            among, lost = load(number)
            failed += lost
            growth.append((server.memory_info().rss - before) / 2**20)
            stop.set()
            process.join(60)
            ratios.append(among / alone)
            refused = re.findall(r'^agnews_refused_total{limit="(.*?)"} (\S+)', httpx.get(f"{base}/metrics").text, re.M)
            print(
                f"round {number}  p99 alone {1000 * alone:.1f} ms, among {seen[-1]} connections {1000 * among:.1f} ms, "
                f"{ratios[-1]:.2f} times; memory {growth[-1]:+.0f} MiB",
                flush=True,
            )
    report = {
        "p99 times": round(statistics.median(ratios), 2),
        "memory MiB": round(max(growth), 1),
        "failed": failed,
        "connections": seen,
        "turned away, by limit": {limit: int(float(count)) for limit, count in refused},
    }
    print(json.dumps(report, indent=2))
    return int(report["p99 times"] > MOST_TIMES or max(growth) > MOST_MIB or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
