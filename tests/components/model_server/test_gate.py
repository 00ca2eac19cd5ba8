"""Who is let in, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.allowed_origins import allowed_hosts
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.schemas.errors import AgnewsError

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
    assert other.status_code == 403
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("path", ["/nothing", "/V1/models/agnews", "/v2/models", "/docs/", "//v1/models/agnews", "/v1"])
def test_what_is_not_named_as_open_is_closed(server: Any, path: str) -> None:
    assert server.client.get(f"{server.url}{path}").status_code == 401


def test_failures_are_counted(server: Any) -> None:
    ask(server)
    ask(server, Authorization="Bearer wrong")
    page = server.client.get("/metrics", headers={"Authorization": f"Bearer {SECRET}"}).text
    assert 'agnews_refused_total{limit="no token"}' in page
    assert 'agnews_refused_total{limit="wrong token"}' in page


def test_paths_and_errors_are_for_those_who_show_the_token(
    toy_store: Any, toy_models: dict[str, Path], start_server: StartServer
) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store, token=AccessToken(SECRET)) as server:
        toy_store.push(toy_models["narrow"])
        server.wait_for(lambda: server.client.get("/readyz").json()["broken"] is not None)
        (Path(toy_store.store.uri) / "latest.json").write_text("{")
        server.wait_for(lambda: server.client.get("/readyz").json()["pointer_problem"] is not None)
        outside = server.client.get("/readyz").text
        inside = server.client.get("/readyz", headers={"Authorization": f"Bearer {SECRET}"}).text
    assert toy_store.store.uri not in outside
    assert "classes" not in outside
    assert toy_store.store.uri in inside
    assert "4 classes" in inside


@pytest.fixture(scope="module")
def local(
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
    hosts = allowed_hosts("127.0.0.1", ["news.example"], has_token=False, is_local=True)
    with start_server(store, hosts=hosts) as server:
        yield server


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8501", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("[::1]:8501", 200),
        ("192.0.2.1", 200),
        ("news.example:443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
def test_a_name_that_leads_here_is_not_enough(local: Any, host: str, status: int) -> None:
    assert ask(local, Host=host).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "localhost:8501", "Origin": "http://localhost:8501"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_sites_cannot_use_what_their_readers_reach(
    local: Any, headers: dict[str, str], status: int
) -> None:
    assert ask(local, **headers).status_code == status


def test_a_link_on_another_site_leads_to_the_page(local: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert local.client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("given", ["order-7", "a" * 128])
def test_a_request_keeps_the_number_that_it_came_with(local: Any, given: str) -> None:
    assert ask(local, **{"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", "<script>"])
def test_other_requests_are_given_one_of_their_own(local: Any, given: str) -> None:
    first, second = (ask(local, **{"X-Request-Id": given}).headers["x-request-id"] for _ in range(2))
    assert len({first, second, given}) == 3


def test_names_are_checked_before_a_server_is_started_with_them() -> None:
    with pytest.raises(AgnewsError, match="without scheme and port"):
        allowed_hosts("127.0.0.1", ["http://news.example"], has_token=False, is_local=True)
    assert allowed_hosts("0.0.0.0", [], has_token=True, is_local=False) is None  # noqa: S104
    named = allowed_hosts("0.0.0.0", ["news.example"], has_token=True, is_local=False)  # noqa: S104
    assert named is not None
    assert "news.example" in named
