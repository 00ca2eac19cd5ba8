"""`agnews serve --log-requests` as a process that is killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from agnews.components.request_log.places import places_at
from agnews.components.request_log.read_requests import lost_rows, read_requests

AGNEWS = Path(sys.executable).with_name("agnews")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

Start = Callable[..., "Server"]


class Server:
    """A process, and a client of it."""

    def __init__(self, output: Path, *arguments: str | Path) -> None:
        self.output = output
        command = [str(AGNEWS), "serve", "--port", "0", *map(str, arguments)]
        with output.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", output.read_text())):
            assert self.process.poll() is None, output.read_text()
            assert time.monotonic() < end, output.read_text()
            time.sleep(0.1)
        self.client = httpx.Client(base_url=found[0], timeout=30)

    def ask(self, text: str, request_id: str = "") -> httpx.Response:
        headers = {"X-Request-Id": request_id} if request_id else {}
        return self.client.post("/v1/models/agnews:predict", json={"instances": [text]}, headers=headers)

    def counter(self, outcome: str) -> int:
        found = re.search(rf'agnews_logged_rows_total{{outcome="{outcome}"}} (\d+)', self.client.get("/metrics").text)
        return int(found[1]) if found else 0

    def wait_for(self, outcome: str, rows: int) -> None:
        end = time.monotonic() + 30
        while self.counter(outcome) < rows:
            assert time.monotonic() < end, self.output.read_text()
            time.sleep(0.05)

    def end(self, number: int) -> int:
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture
def start(pushed_root: Path, tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def start(*arguments: str | Path) -> Server:
        servers.append(Server(tmp_path / f"output{len(servers)}", "--root", pushed_root, *arguments))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.mark.integration
def test_a_server_that_is_killed_loses_a_second_at_most_and_says_how_many(start: Start, tmp_path: Path) -> None:
    places = places_at(str(tmp_path / "log"))
    first = start("--log-requests", tmp_path / "log")
    assert "Requests are kept for 30 days, with their texts." in first.output.read_text()
    assert first.client.get("/v1/models/agnews/card").json()["kept"].startswith("Requests are kept for 30 days")
    assert first.ask("the coach", "mine").headers["X-Request-Id"] == "mine"
    made = [first.ask(f"stocks {number}").headers["X-Request-Id"] for number in range(20)]
    first.wait_for("logged", 21)
    late = [first.ask(f"late {number}").headers["X-Request-Id"] for number in range(10)]
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    second = start("--log-requests", tmp_path / "log", "--log-text", "none")
    end = time.monotonic() + 30
    while "server that was killed" not in second.output.read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    rows = read_requests(places, LONG_AGO)
    ids = rows["id"].to_pylist()
    assert {f"{each}/0" for each in ("mine", *made)} <= set(ids)
    kept = [each for each in late if f"{each}/0" in ids]
    assert len(kept) + lost_rows(places, LONG_AGO) == 10
    assert second.counter("lost") == 10 - len(kept)
    assert dict(zip(ids, rows["label"].to_pylist(), strict=True))["mine/0"] == "Sports"

    second.ask("nobody keeps this", "secret")
    assert second.end(signal.SIGTERM) == 0
    row = next(row for row in read_requests(places, LONG_AGO).to_pylist() if row["id"] == "secret/0")
    assert (row["text"], row["words"]) == (None, 3)
    assert list(places.spool.iterdir()) == [], "what is left at the end becomes a file"


@pytest.mark.integration
def test_nothing_is_kept_unless_asked_for(start: Start, pushed_root: Path) -> None:
    server = start()
    server.ask("x")
    assert server.client.get("/v1/models/agnews/card").json()["kept"] == "Nothing of a request is kept."
    command = [str(AGNEWS), "serve", "--root", str(pushed_root), "--sample", "0.5"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--log-requests" in refused.stderr
