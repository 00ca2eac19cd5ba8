"""How much memory `agnews serve` holds: today's build in TensorFlow, and an installation that has an engine alone.

    python benchmarks/serving_memory.py MODELS TEXTS --base AGNEWS [--light AGNEWS] [--requests N]

MODELS is a store whose version in production has an export, TEXTS a file with a text a line, AGNEWS the program of an
installation: of another checkout, and of one made by `uv sync --no-default-groups --extra serve-openvino`. Both answer
the same requests, of texts of all lengths, one after the other. Printed is what is resident at rest before them and
after them, and for how long each process computed until it was ready.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

_ROWS = 8


class Server:
    """A server that runs.

    Args:
        program: Of its installation.
        models: The store.
    """

    def __init__(self, program: str, models: str) -> None:
        command = [program, "serve", "--models", models, "--port", "0"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        said = ""
        assert self._process.stderr is not None  # noqa: S101 - asked for above
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            if not (line := self._process.stderr.readline()):
                raise SystemExit(f"{program} ended: {said}")
            said += line
        self.url = found[0]
        self._watched = psutil.Process(self._process.pid)
        self._wait()
        self.start_seconds = sum(self._watched.cpu_times()[:2])

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=5).close()  # noqa: S310 - ours
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
            else:
                return

    @property
    def resident(self) -> float:
        """MB that are resident now."""
        return float(self._watched.memory_info().rss / 1e6)

    def ask(self, texts: list[str]) -> list[str]:
        """Returns the labels."""
        body = json.dumps({"instances": texts}).encode()
        with urllib.request.urlopen(f"{self.url}/v1/models/agnews:predict", body, timeout=120) as answer:  # noqa: S310
            return [each["label"] for each in json.load(answer)["predictions"]]

    def end(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(60)


def measure(program: str, models: str, requests: list[list[str]]) -> tuple[dict[str, Any], list[str]]:
    """Lets a server answer; returns its figures and its labels."""
    server = Server(program, models)
    try:
        before = server.resident
        labels = [label for texts in requests for label in server.ask(texts)]
        figures = {
            "program": program,
            "ready MB": round(before),
            "after MB": round(server.resident),
            "start CPU s": round(server.start_seconds, 1),
        }
        return figures, labels
    finally:
        server.end()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--base", required=True, metavar="AGNEWS")
    parser.add_argument("--light", default=str(Path(sys.executable).with_name("agnews")), metavar="AGNEWS")
    parser.add_argument("--requests", type=int, default=100, metavar="N")
    options = parser.parse_args()
    texts = options.texts.read_text(encoding="utf-8").splitlines()[: options.requests * _ROWS]
    requests = [texts[start : start + _ROWS] for start in range(0, len(texts), _ROWS)]
    base, theirs = measure(options.base, options.models, requests)
    light, ours = measure(options.light, options.models, requests)
    same = sum(a == b for a, b in zip(theirs, ours, strict=True)) / len(theirs)
    ratios = {
        "ready, light / base": round(light["ready MB"] / base["ready MB"], 3),
        "after, light / base": round(light["after MB"] / base["after MB"], 3),
        "same answers": round(same, 4),
    }
    print(json.dumps({"base": base, "light": light, **ratios}, indent=2))


if __name__ == "__main__":
    main()
