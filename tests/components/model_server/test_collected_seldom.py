"""What the garbage collector looks at while a server runs."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from agnews.components.model_server.collected_seldom import collected_seldom, keep_what_is_there

TEXT = "the market falls"
StartServer = Callable[..., AbstractContextManager[Any]]


class Knot:
    """Holds itself, so that only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_freed_wherever_it_lies() -> None:
    with collected_seldom():
        model = Knot()
        keep_what_is_there()
        connection = Knot()
        closed, lost = weakref.ref(model), weakref.ref(connection)
        del model, connection
        gc.collect()
        assert lost() is None
        assert closed() is not None
        # As when another version takes its place.
        keep_what_is_there()
        assert closed() is None


@pytest.mark.parametrize("switches", [0, 1])
def test_a_server_keeps_its_model_out_of_sight_and_leaves_the_collector_as_it_was(
    switches: int, toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    before = gc.get_threshold()
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store) as server:
        for _ in range(switches):
            new = toy_store.push(toy_models["unsure"])
            server.wait_for(lambda new=new: server.state.host.version == new)
            server.wait_for(lambda: len(server.state.host.status("agnews")["model_version_status"]) == 1)
        # All that is looked at once more is what came since.
        server.wait_for(lambda: len(gc.get_objects()) < gc.get_freeze_count() / 10)
        assert gc.get_threshold()[2] > 10 * before[2]
        assert server.predict(TEXT).status_code == 200
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_requests_and_connections_leave_next_to_nothing_to_collect(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    toy_store.push(toy_models["sure"])
    body = json.dumps({"instances": [TEXT]})
    with start_server(toy_store.store) as server:
        for _ in range(2):
            gc.collect()
            for _ in range(50):
                # httpx leaves garbage of its own.
                client = HTTPConnection("127.0.0.1", urlsplit(server.url).port or 0)
                client.request("POST", "/v1/models/agnews:predict", body, {"Content-Type": "application/json"})
                assert client.getresponse().read().startswith(b'{"predictions')
                client.close()
            left = gc.collect()
    assert left < 50
