"""Who is let in, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish

StartServer = Callable[..., AbstractContextManager[Any]]
SECRET = "correct-horse-battery-staple"
SITE = "https://news.example"


@pytest.fixture(scope="module")
def server(
    toy_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, start_server: StartServer
) -> Iterator[Any]:
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
    with start_server(store, token=AccessToken(SECRET), cors_origins=[SITE]) as server:
        yield server


def ask(server: Any, **headers: str) -> Any:
    return server.client.post("/v1/models/agnews:predict", json={"instances": ["coach"]}, headers=headers)


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x"])
def test_without_the_token_nobody_gets_an_answer(server: Any, shown: str) -> None:
    answer = ask(server, **({"Authorization": shown} if shown else {}))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("shown", [f"Bearer {SECRET}", f"bearer  {SECRET}"])
def test_with_the_token_all_is_as_without(server: Any, shown: str) -> None:
    assert ask(server, Authorization=shown).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models/agnews", "/v1/models/agnews/card", "/v1/x", "/metrics", "/openapi.json"])
def test_what_tells_something_is_guarded(server: Any, path: str) -> None:
    assert server.client.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs"])
def test_what_orchestrators_and_browsers_open_first_is_not(server: Any, path: str) -> None:
    assert server.client.get(path).status_code == 200


def test_counters_can_be_opened_to_whoever_collects_them(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store, token=AccessToken(SECRET), open_metrics=True) as server:
        assert server.client.get("/metrics").status_code == 200
        assert ask(server).status_code == 401


def test_the_interface_says_that_it_wants_a_token(server: Any) -> None:
    document = server.client.get("/openapi.json", headers={"Authorization": f"Bearer {SECRET}"}).json()
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert document["paths"]["/v1/models/{name}:predict"]["post"]["security"] == [{"token": []}]


def test_pages_of_the_named_site_alone_may_call(server: Any) -> None:
    preflight = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    allowed = server.client.options("/v1/models/agnews:predict", headers=preflight)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == SITE
    answer = ask(server, Origin=SITE, Authorization=f"Bearer {SECRET}")
    assert answer.headers["access-control-allow-origin"] == SITE
    other = ask(server, Origin="https://other.example", Authorization=f"Bearer {SECRET}")
    assert "access-control-allow-origin" not in other.headers
