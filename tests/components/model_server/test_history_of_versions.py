"""What a server answers while the version in production changes under load: each answer is checked against the history.

Each pushed model is sure of itself in a way of its own, so that an answer shows which one computed it.
"""

from __future__ import annotations

import asyncio
import bisect
import json
import math
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agnews.components.model_store.rollback import rollback

AGNEWS = Path(sys.executable).with_name("agnews")
CLIENTS = 16
POLL_SECONDS = 0.5
LOAD_SECONDS = 120.0
"""Time to load a toy on a machine that does much else; what is measured is printed."""

BODY = b'{"instances": ["the stocks fell"]}'


@dataclass(frozen=True)
class Change:
    """A version that came into production.

    Attributes:
        version: Its number.
        begun: When the pointer was about to be moved.
        done: When it had been.
    """

    version: str
    begun: float
    done: float

    def first_answer(self, answers: Answers) -> float:
        """When the first answer by it came."""
        both = zip(answers.ended, answers.number, strict=True)
        return min(ended for ended, number in both if ended > self.begun and answers.versions[number] == self.version)


class Answers:
    """Requests and their answers, as clients saw them: hundreds of thousands, in little memory."""

    def __init__(self) -> None:
        self.begun, self.ended, self.number = array("d"), array("d"), array("H")
        self.versions: list[str] = []

    def add(self, begun: float, ended: float, version: str) -> None:
        if version not in self.versions:
            self.versions.append(version)
        self.begun.append(begun)
        self.ended.append(ended)
        self.number.append(self.versions.index(version))


def exceptions(answers: Answers, changes: Sequence[Change], seconds_to_follow: float) -> list[str]:
    """Finds what contradicts that, at each moment, one version was served.

    A server follows the pointer within a time that is stated. So there has to be a moment for each change, between the
    move of the pointer and that time later, such that each answer names a version that was served at some moment
    between its request and its answer.

    Args:
        answers: In any order.
        changes: In the order of their time; the first is what was in production when the clients began.
        seconds_to_follow: From the move of the pointer to the last answer of the version before.

    Returns:
        Sentences; none is right.
    """
    found = []
    begins = [change.begun for change in changes]
    earliest = [change.begun for change in changes]
    latest = [change.done + seconds_to_follow for change in changes]
    for begun, ended, number in zip(answers.begun, answers.ended, answers.number, strict=True):
        version = answers.versions[number]
        # A version may come back: the last time that it may be, for whoever saw the answer.
        last = bisect.bisect_right(begins, ended) - 1
        places = [place for place in range(last + 1) if changes[place].version == version]
        if not places:
            found.append(f"an answer at {ended:.3f} names {version}, which was not in production yet")
            continue
        place = places[-1]
        # It was served at the end of the answer, at the latest, and not replaced before the request.
        if place > 0:
            latest[place] = min(latest[place], ended)
        if place + 1 < len(changes):
            earliest[place + 1] = max(earliest[place + 1], begun)
    for place in range(1, len(changes)):
        earliest[place] = max(earliest[place], earliest[place - 1])
        if earliest[place] > latest[place]:
            before, now = changes[place - 1].version, changes[place].version
            found.append(f"{now} took over by {latest[place]:.3f}, and a request of {earliest[place]:.3f} got {before}")
    return found


def made(*answers: tuple[float, float, str]) -> Answers:
    found = Answers()
    for each in answers:
        found.add(*each)
    return found


A_THEN_B = (Change("a", 0.0, 0.0), Change("b", 10.0, 10.5))


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (made((1, 2, "a"), (9, 12, "a"), (9, 12, "b"), (12, 13, "b")), ""),
        (made((1, 2, "a"), (10, 11, "b"), (12, 13, "a")), "took over"),
        (
            made(
                (1, 9, "b"),
            ),
            "not in production yet",
        ),
        (
            made(
                (1, 2, "c"),
            ),
            "not in production yet",
        ),
        (made((1, 2, "a"), (17, 18, "a")), "took over"),
        (made((10, 13, "b"), (12, 14, "a")), ""),
    ],
)
def test_the_check_of_a_history_finds_what_cannot_be(answers: Answers, word: str) -> None:
    found = exceptions(answers, A_THEN_B, 5.0)
    assert len(found) == bool(word), found
    assert all(word in each for each in found)


def test_the_check_knows_a_version_that_comes_back() -> None:
    changes = (*A_THEN_B, Change("a", 20.0, 20.0))
    right = made((1, 2, "a"), (12, 13, "b"), (21, 22, "b"), (21, 23, "a"), (24, 25, "a"))
    wrong = made((1, 2, "a"), (12, 13, "b"), (15, 16, "a"), (24, 25, "a"))
    assert exceptions(right, changes, 5.0) == []
    assert len(exceptions(wrong, changes, 5.0)) == 1


class Load(threading.Thread):
    """Clients that ask, one request after the other, and note what came back."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.answers = Answers()
        self.surety: dict[str, set[float]] = {}
        self.problems: Counter[str] = Counter()
        self._port = port
        self._stops = threading.Event()

    def run(self) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._ask() for _ in range(CLIENTS)))

        asyncio.run(all_of_them())

    def stop(self) -> None:
        self._stops.set()
        self.join()

    async def _ask(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"POST /v1/models/agnews:predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(BODY)}\r\n\r\n"
        request = head.encode() + BODY
        while not self._stops.is_set():
            begun = time.monotonic()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.lower().split(": ", 1) for line in answer.decode().splitlines()[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            ended = time.monotonic()
            if not answer.startswith(b"HTTP/1.1 200 "):
                self.problems[f"{answer[:12].decode()} {body[:80].decode()}"] += 1
                continue
            version = headers.get("x-model-version", "no header")
            self.answers.add(begun, ended, version)
            self.surety.setdefault(version, set()).add(
                round(max(json.loads(body)["predictions"][0]["probabilities"]), 6)
            )
        writer.close()


def serve_and_change(toy_store: Any, models: Mapping[str, float], seconds: float, folders: Mapping[str, Path]) -> None:
    """Serves for some time, with three pushes and a rollback, and checks what was answered."""
    sharpness: dict[str, float] = {}
    changes: list[Change] = []

    def push(name: str) -> None:
        begun = time.monotonic()
        version = toy_store.push(folders[name])
        sharpness[version] = models[name]
        changes.append(Change(version, begun, time.monotonic()))

    def go_back() -> None:
        begun = time.monotonic()
        version = rollback(toy_store.store, "", why="the history wants it").after.version
        changes.append(Change(version, begun, time.monotonic()))

    names = list(models)
    push(names[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    uri = str(Path(toy_store.store.uri).parent)
    command = [AGNEWS, "serve", "--models", uri, "--port", str(port), "--poll", str(POLL_SECONDS)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load = Load(port)
    try:
        _wait_for(server, port, changes[-1].version, 600.0)
        load.start()
        started = time.monotonic()
        for number, act in enumerate([lambda: push(names[1]), lambda: push(names[2]), lambda: push(names[3]), go_back]):
            time.sleep(max(0.0, started + seconds * (0.15 + 0.2 * number) - time.monotonic()))
            act()
            _wait_for(server, port, changes[-1].version, POLL_SECONDS + LOAD_SECONDS)
        time.sleep(max(0.0, started + seconds - time.monotonic()))
    finally:
        if load.is_alive():
            load.stop()
        server.kill()
        server.wait()
    assert not load.problems, load.problems
    assert exceptions(load.answers, changes, POLL_SECONDS + LOAD_SECONDS) == []
    assert set(load.surety) == set(sharpness), "not every version that was pushed has answered"
    for version, seen in load.surety.items():
        expected = math.exp(sharpness[version]) / (math.exp(sharpness[version]) + 3.0)
        assert all(abs(each - expected) < 1e-5 for each in seen), f"an answer that names {version} is another model's"
    first = [round(change.first_answer(load.answers) - change.begun, 1) for change in changes[1:]]
    # `-s` shows it.
    sys.stdout.write(f"{len(load.answers.begun)} answers, {len(first)} switches, first answers after {first} seconds\n")


def _wait_for(server: subprocess.Popen[bytes], port: int, version: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert server.poll() is None, f"the server ended with {server.returncode}"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).json()["version"] == version:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{version} was not served within {seconds} seconds")


SHARPNESS = {"first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0}


@pytest.fixture(scope="session")
def distinct_models(export_model: Callable[..., Path]) -> dict[str, Path]:
    """Models that find the same words, each as sure of itself as no other."""
    return {name: export_model(sharpness=value) for name, value in SHARPNESS.items()}


@pytest.mark.integration
def test_each_answer_names_a_version_that_was_in_production_meanwhile(
    toy_store: Any, distinct_models: dict[str, Path]
) -> None:
    serve_and_change(toy_store, SHARPNESS, 20.0, distinct_models)


@pytest.mark.long
def test_so_does_each_of_ten_minutes(toy_store: Any, distinct_models: dict[str, Path]) -> None:
    serve_and_change(toy_store, SHARPNESS, 600.0, distinct_models)
