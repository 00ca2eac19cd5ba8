"""Servers on toy models: a real uvicorn on a real port, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.batcher import Batcher
from agnews.components.model_server.create_app import create_app
from agnews.components.model_server.graceful_server import GracefulServer, listening_socket
from agnews.components.model_server.json_response import Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.model_host import ModelHost
from agnews.components.model_server.serving_state import ServingState
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.model_store.publish import publish
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.schemas.abstention import Abstention

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
POLL_SECONDS = 0.05


@pytest.fixture(scope="session")
def toy_models(export_model: Callable[..., Path]) -> dict[str, Path]:
    """SavedModels: `sure` and `unsure` find keywords and differ in their probabilities; `narrow` has 3 classes."""
    return {
        "sure": export_model(sharpness=3.0),
        "unsure": export_model(sharpness=1.0),
        "narrow": export_model(keywords=("a", "b", "c"), class_names=("x", "y", "z")),
    }


@dataclass
class ToyStore:
    """A store, and a way to push to it."""

    store: ModelStore

    def push(
        self, model: Path, accuracy: float = 0.9, abstains_below: float = 0.0, beside: Mapping[str, str] | None = None
    ) -> str:
        """Puts a model into production, with other files beside it, and returns its version."""
        current = self.store.production()
        extra_files = dict(beside or {})
        if abstains_below:
            said = Abstention(wanted=0.9, threshold=abstains_below, eval_rows=100, coverage=0.8, precision=0.9)
            path = Path(self.store.uri).parent / "abstention.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(said.model_dump_json())
            extra_files["assets.extra/abstention.json"] = str(path)
        push = publish(
            self.store,
            model=str(model),
            extra_files=extra_files,
            judged_against=current.version if current else "",
            fingerprint="",
            run_id="run",
            accuracy=accuracy,
            classes=CLASSES,
        )
        return push.record.version

    def point_at(self, version: str) -> None:
        """Moves the pointer as a rollback does."""
        pointer = Path(self.store.uri) / "latest.json"
        incoming = pointer.with_name(".incoming-latest.json")
        incoming.write_bytes((Path(self.store.folder(version)) / "assets.extra" / "record.json").read_bytes())
        incoming.replace(pointer)


@pytest.fixture
def toy_store(tmp_path: Path) -> ToyStore:
    """An empty store."""
    return ToyStore(ModelStore(str(tmp_path / "models"), "agnews"))


@dataclass
class ToyServer:
    """A server that runs.

    Attributes:
        url: Where it answers.
        client: Asks it; paths may be given without the host.
        state: Its parts.
        server: Stop it with `handle_exit`.
        log: What it had to say.
    """

    url: str
    client: httpx.Client
    state: ServingState
    server: GracefulServer
    thread: threading.Thread
    log: list[str] = field(default_factory=list)

    def predict(self, *texts: str) -> httpx.Response:
        """Asks for texts in row form."""
        return self.client.post("/v1/models/agnews:predict", json={"instances": list(texts)})

    def wait_for(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Waits until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited in vain; log: {self.log}"
            time.sleep(0.01)


StartServer = Callable[..., AbstractContextManager[ToyServer]]


@contextmanager
def _start(
    store: ModelStore,
    *,
    limits: Limits | None = None,
    token: AccessToken | None = None,
    drain_seconds: float = 0.0,
    port: int = 0,
    log_settings: LogSettings | None = None,
    **options: Any,
) -> Iterator[ToyServer]:
    limits, metrics, log = limits or Limits(), Metrics(), []
    host = ModelHost(find_pushed_model(store), store=store, follows=True, metrics=metrics, log=log.append)
    state = ServingState(host, Batcher(limits, metrics, workers=2), metrics, limits)
    if log_settings is not None:
        state.request_log = RequestLog(log_settings)
    app = create_app(state, token=token, poll_seconds=POLL_SECONDS, **options)
    listening = listening_socket("127.0.0.1", port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = GracefulServer(app, state, drain_seconds=drain_seconds)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with httpx.Client(base_url=url, timeout=30.0) as client:
        running = ToyServer(url, client, state, server, thread, log)
        running.wait_for(lambda: server.started)
        try:
            yield running
        finally:
            server.should_exit = True
            client.close()
            thread.join(timeout=30.0)
            assert not thread.is_alive()
            host.close()


@pytest.fixture(scope="session")
def make_store() -> Callable[[Path], ToyStore]:
    """Makes an empty store in a folder."""
    return lambda folder: ToyStore(ModelStore(str(folder / "models"), "agnews"))


@pytest.fixture(scope="session")
def start_server() -> StartServer:
    """Starts a server on a store: `with start_server(store, limits=..., token=...) as server`."""
    return _start


@pytest.fixture(scope="module")
def shared_server(toy_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyServer]:
    """A server for tests that change nothing about it."""
    toys = ToyStore(ModelStore(str(tmp_path_factory.mktemp("store")), "agnews"))
    toys.push(toy_models["sure"], accuracy=0.91)
    with _start(toys.store) as server:
        yield server
