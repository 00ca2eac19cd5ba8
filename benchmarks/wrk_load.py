"""Load on a server with wrk (https://github.com/wg/wrk, `apt-get install wrk`); the benchmarks of serving share it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
local texts = {}
for line in io.lines(os.getenv("TEXTS")) do texts[#texts + 1] = '{"instances":[' .. line .. ']}' end
local think = tonumber(os.getenv("THINK_MS"))
local n
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function init(args) math.randomseed(tonumber(os.getenv("SEED"))); n = math.random(#texts) end
function request() n = n % #texts + 1; return wrk.format(nil, nil, nil, texts[n]) end
if think > 0 then function delay() return -think * math.log(1 - math.random()) end end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end
"""
UNITS = 1e6


@dataclass(frozen=True)
class Load:
    """What wrk saw.

    Attributes:
        requests: Answers.
        per_second: Of them.
        failed: Errors of sockets, time-outs, and answers other than 2xx and 3xx.
        p50: Seconds.
        p99: Seconds.
    """

    requests: int
    per_second: float
    failed: int
    p50: float
    p99: float


def write_texts(data: Path, folder: Path) -> Path:
    """Writes the rows of test.csv as JSON strings, one a line, title and description joined by a space."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    texts = folder / "texts.jsonl"
    with (data / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row[0].isdecimal()]
    texts.write_text("".join(json.dumps(f"{title} {text}") + "\n" for _, title, text in rows))
    (folder / "load.lua").write_text(SCRIPT)
    return texts


def run_wrk(url: str, texts: Path, *, seconds: float, clients: int, think: float = 0.0, seed: int = 1) -> Load:
    """Sends one text a request for a while.

    Args:
        url: Where to.
        texts: From `write_texts`.
        seconds: How long; wrk knows whole ones only.
        clients: Connections that ask, wait for the answer, and ask again.
        think: Mean seconds that a client waits in between, exponentially distributed.
        seed: Where in the texts to begin.
    """
    script = str(texts.parent / "load.lua")
    environment = {**os.environ, "TEXTS": str(texts), "THINK_MS": str(1000 * think), "SEED": str(seed)}
    command = [
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "30s",
        "-s",
        script,
    ]
    out = subprocess.run([*command, url], env=environment, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$", out, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk said:\n{out}")
    requests, microseconds, failed, p50, p99 = map(int, found.groups())
    return Load(requests, requests / (microseconds / UNITS), failed, p50 / UNITS, p99 / UNITS)
