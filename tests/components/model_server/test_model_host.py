"""Changes of version while clients ask: none of them may notice more than another answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from agnews.components.model_server import event_log, model_host
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.model_store.serving_leases import living_leases

StartServer = Callable[..., AbstractContextManager[Any]]
PREDICT = "/v1/models/agnews:predict"
TEXT = "The coach praised his team"
# softmax of 3 against 0, 0, 0, and of 1.
SURE, UNSURE = 0.8700, 0.4754


class Clients:
    """Ask without a pause, each with a connection of its own, and keep what was answered."""

    def __init__(self, url: str, count: int = 6) -> None:
        self.answers: list[tuple[int, float]] = []
        self.failures: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30.0) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(PREDICT, json={"instances": [TEXT]})
                    sports = answer.json()["predictions"][0]["probabilities"][1]
                except (httpx.HTTPError, KeyError) as error:
                    self.failures.append(repr(error))
                else:
                    self.answers.append((answer.status_code, round(sports, 4)))


def test_a_push_and_a_rollback_under_load_fail_no_request(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    old = toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server, Clients(server.url) as clients:
        server.wait_for(lambda: len(clients.answers) > 20)
        new = toy_store.push(toy_models["unsure"])
        server.wait_for(lambda: server.state.host.version == new)
        seen = len(clients.answers)
        server.wait_for(lambda: len(clients.answers) > seen + 20)
        assert clients.answers[-1] == (200, UNSURE)
        server.wait_for(lambda: server.client.get(f"/v1/models/agnews/versions/{old}").status_code == 404)
        assert [lease.version for lease in living_leases(toy_store.store.uri)] == [new]

        toy_store.point_at(old)
        server.wait_for(lambda: server.state.host.version == old)
        seen = len(clients.answers)
        server.wait_for(lambda: len(clients.answers) > seen + 20)
        assert clients.answers[-1] == (200, SURE)
        assert 'agnews_model_switches_total{result="done"} 2.0' in server.client.get("/metrics").text
        assert [lease.version for lease in living_leases(toy_store.store.uri)] == [old]
    assert clients.failures == []
    assert {status for status, _ in clients.answers} == {200}
    assert {sports for _, sports in clients.answers} == {SURE, UNSURE}
    assert living_leases(toy_store.store.uri) == ()


def test_a_broken_version_leaves_the_one_before_it_and_shows(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, tmp_path: Path
) -> None:
    good = toy_store.push(toy_models["sure"])
    cut = shutil.copytree(toy_models["unsure"], tmp_path / "cut")
    (cut / "saved_model.pb").write_bytes((cut / "saved_model.pb").read_bytes()[:1000])
    with start_server(toy_store.store) as server:
        broken = toy_store.push(cut)
        server.wait_for(lambda: server.client.get("/readyz").json()["broken"] is not None)
        ready = server.client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["version"] == good
        assert ready.json()["broken"]["version"] == broken
        assert "cannot be served" in ready.json()["broken"]["error"]
        assert "agnews_model_broken 1.0" in server.client.get("/metrics").text
        status = server.client.get("/v1/models/agnews").json()["model_version_status"]
        states = {each["version"]: each for each in status}
        assert states[good]["state"] == "AVAILABLE"
        assert states[broken]["state"] == "END"
        assert states[broken]["status"]["error_code"] == "UNKNOWN"
        assert any(f"still serving version {good}" in line for line in server.log)
        assert server.predict(TEXT).status_code == 200

        mended = toy_store.push(toy_models["sure"])
        server.wait_for(lambda: server.state.host.version == mended)
        assert server.client.get("/readyz").json()["broken"] is None
        assert "agnews_model_broken 0.0" in server.client.get("/metrics").text


def test_a_version_with_other_classes_than_its_record_says_is_not_taken(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    good = toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server:
        toy_store.push(toy_models["narrow"])
        server.wait_for(lambda: server.client.get("/readyz").json()["broken"] is not None)
        assert "4 classes" in server.client.get("/readyz").json()["broken"]["error"]
        assert server.predict(TEXT).status_code == 200
        # Back to what serves: nothing is broken any more.
        toy_store.point_at(good)
        server.wait_for(lambda: server.client.get("/readyz").json()["broken"] is None)


@pytest.mark.parametrize("content", ["{", ""])
def test_a_damaged_pointer_changes_nothing_but_shows(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, content: str
) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server:
        (Path(toy_store.store.uri) / "latest.json").write_text(content)
        server.wait_for(lambda: server.client.get("/readyz").json()["pointer_problem"] is not None)
        assert "is not a model record" in json.dumps(server.client.get("/readyz").json()["pointer_problem"])
        assert server.predict(TEXT).status_code == 200
        server.wait_for(lambda: len(server.log) == 1)


def test_a_store_that_cannot_be_written_is_served_without_a_lease(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("agnews.components.storage.local_files.LocalFiles.replace", refuse)
    with start_server(toy_store.store) as server:
        assert server.predict(TEXT).status_code == 200
        assert len(server.log) == 1
        assert "nothing keeps version" in server.log[0]


def test_a_server_writes_nothing_to_the_store_but_its_lease(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    def written() -> dict[str, int]:
        root = Path(toy_store.store.uri)
        found = {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in root.rglob("*")}
        return {path: time for path, time in found.items() if not path.startswith(".serving")}

    toy_store.push(toy_models["sure"])
    before = written()
    with start_server(toy_store.store) as server:
        assert server.predict(TEXT).status_code == 200
        assert len(living_leases(toy_store.store.uri)) == 1
        assert written() == before
        new = toy_store.push(toy_models["unsure"])
        before = written()
        server.wait_for(lambda: server.state.host.version == new)
        assert server.predict(TEXT).status_code == 200
    assert written() == before
    assert living_leases(toy_store.store.uri) == ()


def test_memory_is_given_back_without_a_store_too(
    toy_store: Any, toy_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])
    returned = threading.Event()
    monkeypatch.setattr(model_host, "_TIDY_SECONDS", 0.0)
    monkeypatch.setattr(model_host, "return_memory", returned.set)
    host = model_host.ModelHost(
        find_pushed_model(toy_store.store), store=None, follows=False, metrics=Metrics(), log=lambda line: None
    )

    async def watch_a_moment() -> None:
        watching = asyncio.create_task(host.watch(0.01))
        assert await asyncio.to_thread(returned.wait, 10)
        watching.cancel()

    asyncio.run(watch_a_moment())
    host.close()


def test_a_log_that_cannot_be_written_stops_nothing(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server:

        def full(line: str) -> None:
            raise OSError(28, "No space left on device")

        # As the command line does it, and as a caller might who does not think of it.
        for log in (event_log.EventLog(full), event_log.never_raising(full)):
            server.state.host._log = log
            new = toy_store.push(toy_models["unsure"])
            server.wait_for(lambda new=new: server.state.host.version == new)
        assert server.client.get("/healthz").status_code == 200


def test_a_log_that_nobody_reads_keeps_nobody_waiting() -> None:
    gate = threading.Event()
    log = event_log.EventLog(lambda line: gate.wait(10))
    for _ in range(2000):
        log("line")
    assert log.lost > 900
    gate.set()


def test_the_end_of_a_background_task_and_the_age_of_the_pointer_show(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_store.push(toy_models["sure"])

    def age(server: Any) -> float:
        (line,) = (
            line for line in server.client.get("/metrics").text.splitlines() if line.startswith("agnews_pointer_age")
        )
        return float(line.split()[1])

    with start_server(toy_store.store) as server:
        assert age(server) < 5.0
        assert server.client.get("/healthz").status_code == 200

        class EndError(BaseException):
            """No exception that anybody catches."""

        def end(*_: object) -> None:
            raise EndError

        monkeypatch.setattr(model_host, "find_pushed_model", end)
        server.wait_for(lambda: server.client.get("/healthz").status_code == 503)
        assert "follow the pointer" in server.client.get("/healthz").text
        before = age(server)
        time.sleep(0.1)
        assert age(server) > before
        assert server.predict(TEXT).status_code == 200


def test_a_log_goes_on_where_there_is_space_again_and_counts_what_it_lost() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filling = b"x" * 4096
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, filling)
    log = event_log.EventLog(event_log.writer_to(writer))
    log("lost")
    log.flush()
    assert log.lost == 1
    os.read(reader, 1 << 20)
    log("kept")
    log.flush()
    assert os.read(reader, 100).endswith(b"  kept\n")
    assert log.lost == 1
    os.close(reader)
    os.close(writer)
