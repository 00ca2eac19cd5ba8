"""A model that ends its thread, or never comes back: what clients and probes see, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_server.json_response import Limits

StartServer = Callable[..., AbstractContextManager[Any]]


def test_a_thread_that_dies_is_a_500_and_the_next_request_is_answered(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server:
        version = server.state.host.current
        run = version.run

        def end(*_: object) -> None:
            raise SystemExit(3)

        monkeypatch.setattr(version, "run", end)
        answers = [server.predict("coach") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [500] * 5
        assert "its log says more" in answers[0].json()["error"]
        assert answers[0].headers["x-content-type-options"] == "nosniff"
        assert 'agnews_requests_total{code="500",endpoint="predict"} 5.0' in server.client.get("/metrics").text
        monkeypatch.setattr(version, "run", run)
        assert server.predict("coach").status_code == 200
        assert server.client.get("/healthz").status_code == 200


def test_where_no_thread_comes_back_all_are_told_in_time_and_the_probe_says_so(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])
    limits = Limits(deadline_seconds=0.3, work_seconds=0.6, batch_rows=1)
    with start_server(toy_store.store, limits=limits) as server, ThreadPoolExecutor(6) as clients:
        version = server.state.host.current
        run, gate = version.run, threading.Event()

        def hang(*arguments: Any) -> Any:
            gate.wait(30)
            return run(*arguments)

        monkeypatch.setattr(version, "run", hang)
        started = time.monotonic()
        statuses = [each.status_code for each in clients.map(lambda _: server.predict("coach"), range(6))]
        assert statuses == [504] * 6
        assert time.monotonic() - started < 5.0
        health = server.client.get("/healthz")
        assert (health.status_code, health.json()["problems"]) == (503, ["no thread comes back from the model"])
        assert server.client.get("/metrics").status_code == 200, "the event loop turns all the while"
        gate.set()
        server.wait_for(lambda: server.client.get("/healthz").status_code == 200)
        server.wait_for(lambda: server.predict("coach").status_code == 200)
