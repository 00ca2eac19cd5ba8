"""Minutes of load on a server while its model is changed under it: three pushes and a rollback.

    python benchmarks/serving_soak.py DATA --model VERSION_FOLDER --model VERSION_FOLDER [--minutes 10]

DATA has test.csv. The folders are those of two pushed versions; they are pushed in turns into a store of their own.
Prints what 32 clients saw and how large the server was, and ends with 1 if a request failed or the memory grew by 5 %
or more: the median of the last tenth of the time against that of the second, before any change. It is the resident
memory of the process's own; pages of program files, which come and go with what else the machine does, are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil
from wrk_load import run_wrk, write_texts

from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import pushed_model_at
from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.model_store.publish import publish

AGNEWS = Path(sys.executable).with_name("agnews")
CLIENTS = 32
MOST_GROWTH = 0.05
CHANGES = (("push", 0.2), ("push", 0.4), ("push", 0.6), ("rollback", 0.8))
"""What happens after which share of the time."""


def push(store: ModelStore, folder: Path) -> str:
    """Puts a copy of a pushed version into production."""
    record, current = pushed_model_at(str(folder)).record, store.production()
    with tempfile.TemporaryDirectory() as copy:
        # The store writes a record of its own.
        model = shutil.copytree(folder, Path(copy) / "model", ignore=shutil.ignore_patterns(Path(RECORD_FILE).name))
        done = publish(
            store,
            model=str(model),
            extra_files={},
            judged_against=current.version if current else "",
            fingerprint="",
            run_id="soak",
            accuracy=record.accuracy,
            classes=record.classes,
        )
    return done.record.version


class Watch(threading.Thread):
    """Notes the memory of a process and the version that it serves, once a second."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float, str]] = []
        self._process = psutil.Process(pid)
        self._client = httpx.Client(base_url=url, timeout=30)
        self._begun = time.monotonic()

    def run(self) -> None:
        """Goes on until the process ends."""
        while self._process.is_running():
            try:
                version = self._client.get("/readyz").json()["version"]
                memory = self._process.memory_info()
            except (httpx.HTTPError, psutil.Error):
                return
            own = (memory.rss - memory.shared) / 2**20
            self.samples.append((time.monotonic() - self._begun, own, version))
            time.sleep(1)


def main() -> int:
    """Runs and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, action="append", required=True, dest="models", metavar="VERSION_FOLDER")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--port", type=int, default=8720)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        store = ModelStore(str(root / "models"), "agnews")
        push(store, arguments.models[0])
        url = f"http://127.0.0.1:{arguments.port}"
        server = subprocess.Popen([AGNEWS, "serve", "--root", root, "--port", str(arguments.port)])
        try:
            wait_until_ready(server, url)
            watch = Watch(server.pid, url)
            watch.start()
            seconds = 60 * arguments.minutes
            changes = threading.Thread(target=change, args=(store, root, arguments.models, seconds), daemon=True)
            changes.start()
            texts = write_texts(arguments.data, Path(folder))
            load = run_wrk(f"{url}/v1/models/agnews:predict", texts, seconds=seconds, clients=CLIENTS)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
    return judge(load.requests, load.failed, load.p50, load.p99, watch.samples, seconds)


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Waits for the first version."""
    while server.poll() is None:
        try:
            httpx.get(f"{url}/readyz", timeout=10)
        except httpx.TransportError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit("the server ended")


def change(store: ModelStore, root: Path, models: list[Path], seconds: float) -> None:
    """Pushes and rolls back when the time has come."""
    started = time.monotonic()
    for number, (what, share) in enumerate(CHANGES, start=1):
        time.sleep(max(0.0, started + share * seconds - time.monotonic()))
        if what == "push":
            push(store, models[number % len(models)])
        else:
            subprocess.run([AGNEWS, "models", "rollback", "--root", root], check=True, stdout=subprocess.DEVNULL)


def judge(
    requests: int, failed: int, p50: float, p99: float, samples: list[tuple[float, float, str]], seconds: float
) -> int:
    """Prints what was found; returns the exit code."""
    versions = [samples[0][2]]
    for _, _, version in samples:
        if version != versions[-1]:
            versions.append(version)
    spans = {
        f"{number / 10:.0%} to {(number + 1) / 10:.0%}": [
            memory for at, memory, _ in samples if number <= 10 * at / seconds < number + 1
        ]
        for number in range(10)
    }
    medians = [statistics.median(each) for each in spans.values()]
    growth = medians[-1] / medians[1] - 1
    report = {
        "requests": requests,
        "failed": failed,
        "p50 ms": round(1000 * p50, 1),
        "p99 ms": round(1000 * p99, 1),
        "versions in turn": versions,
        "changes": len(versions) - 1,
        "memory MiB": dict(zip(spans, (round(median) for median in medians), strict=True)),
        "most MiB": round(max(memory for _, memory, _ in samples)),
        "growth": f"{growth:.1%}",
    }
    print(json.dumps(report, indent=2))
    return int(failed > 0 or growth >= MOST_GROWTH or len(versions) - 1 != len(CHANGES))


if __name__ == "__main__":
    sys.exit(main())
