"""What is too much is refused with the code that says so, and the server goes on."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agnews.components.model_server.json_response import Limits

StartServer = Callable[..., AbstractContextManager[Any]]
PREDICT = "/v1/models/agnews:predict"
LIMITS = Limits(
    body_bytes=2000, instances=5, explained=2, text_bytes=100, queue_rows=8, batch_rows=4, deadline_seconds=0.5
)


@pytest.fixture(scope="module")
def server(
    toy_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, start_server: StartServer
) -> Iterator[Any]:
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.publish import publish

    store = ModelStore(str(tmp_path_factory.mktemp("store")), "agnews")
    publish(
        store,
        model=str(toy_models["sure"]),
        extra_files={},
        judged_against="",
        fingerprint="",
        run_id="",
        accuracy=0.9,
        classes=("World", "Sports", "Business", "Sci/Tech"),
    )
    with start_server(store, limits=LIMITS) as server:
        yield server


def test_a_body_that_is_announced_too_long_is_not_read(server: Any) -> None:
    answer = server.client.post(PREDICT, content=b"x" * 2001)
    assert answer.status_code == 413
    assert "2,000 bytes" in answer.json()["error"]
    assert answer.headers["connection"] == "close"


def test_a_body_that_grows_too_long_is_cut_off(server: Any) -> None:
    answer = server.client.post(PREDICT, content=(b"x" * 500 for _ in range(5)))
    assert answer.status_code == 413


def test_a_body_at_the_limit_is_read(server: Any) -> None:
    content = json.dumps({"instances": ["coach"]}).encode()
    assert server.client.post(PREDICT, content=content.ljust(2000)).status_code == 200


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_too_many_texts(server: Any, form: str) -> None:
    assert server.client.post(PREDICT, json={form: ["coach"] * 5}).status_code == 200
    answer = server.client.post(PREDICT, json={form: ["coach"] * 6})
    assert (answer.status_code, answer.json()) == (422, {"error": "6 texts in one request; this server takes up to 5."})


def test_a_text_is_measured_in_bytes(server: Any) -> None:
    assert server.predict("é" * 50).status_code == 200
    answer = server.predict("coach", "é" * 51)
    assert answer.status_code == 422
    assert answer.json()["error"] == "Text 1 has 102 bytes; this server takes up to 100 a text."


def test_a_body_that_does_not_come_is_given_up(server: Any) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n\r\n{{".encode())
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 0.5 seconds" in answer


def test_a_full_queue_says_when_to_come_back(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    version = server.state.host.current
    run, gate = version.run, threading.Event()

    def wait_and_run(*arguments: Any) -> Any:
        gate.wait(20)
        return run(*arguments)

    monkeypatch.setattr(version, "run", wait_and_run)
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(server.predict(*["coach"] * 5))) for _ in range(4)]
    for thread in threads:
        thread.start()
    # Two batches of four are with the model, eight texts wait; four are left over, or more if all come at once.
    server.wait_for(lambda: len(answers) >= 1)
    assert answers[0].status_code == 429
    assert int(answers[0].headers["retry-after"]) >= 1
    assert "texts are waiting" in answers[0].json()["error"]
    assert re.search(r'agnews_refused_total\{limit="queue"\} [123]\.0', server.client.get("/metrics").text)
    gate.set()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers[1:]} <= {200, 429, 504}
    assert answers[-1].status_code != 429, "what was queued is answered"
    monkeypatch.undo()
    assert server.predict("coach").status_code == 200
