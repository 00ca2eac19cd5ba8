"""A version that is tried beside the one in production: as a shadow, and with a share of the requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agnews.components.feedback.read_logged_texts import read_logged_texts
from agnews.components.model_server.canary import Canary, parse_canary
from agnews.components.model_server.shadow import Shadow
from agnews.components.model_store.find_pushed_model import find_pushed_model
from agnews.components.request_log.places import places_at
from agnews.components.request_log.read_requests import read_requests
from agnews.components.request_log.request_log import LogSettings
from agnews.schemas.errors import AgnewsError

SWAPPED = ("coach|league", "minister|troops", "stocks|profit", "software|scientists")
"""World for Sports, and the other way round."""


@pytest.fixture
def versions(toy_store: Any, toy_models: dict[str, Path], export_model: Any) -> tuple[str, str]:
    other = toy_store.push(export_model(keywords=SWAPPED))
    production = toy_store.push(toy_models["sure"])
    return production, other


@pytest.fixture
def server(toy_store: Any, versions: tuple[str, str], start_server: Any) -> Iterator[Any]:
    with start_server(toy_store.store) as server:
        yield server


def shadow_rows(server: Any) -> dict[tuple[str, str], int]:
    page = server.client.get("/metrics").text
    found = re.findall(r'agnews_shadow_rows_total{label="([^"]*)",outcome="([a-z]+)"} (\d+)', page)
    return {(label, outcome): int(count) for label, outcome, count in found}


def test_a_shadow_counts_where_it_differs_and_answers_nobody(
    server: Any, toy_store: Any, versions: tuple[str, str]
) -> None:
    state = server.state
    tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    state.shadow = Shadow(tried, state.metrics, waiting=lambda: state.batcher.waiting)
    state.shadow.start()
    texts = ["the coach"] * 30 + ["troops move"] * 5 + ["stocks"] * 7
    labels = [each["label"] for each in server.predict(*texts).json()["predictions"]]
    assert labels == ["Sports"] * 30 + ["World"] * 5 + ["Business"] * 7
    server.wait_for(lambda: sum(shadow_rows(server).values()) == len(texts))
    assert shadow_rows(server) == {
        ("Sports", "different"): 30,
        ("World", "different"): 5,
        ("Business", "same"): 7,
    }
    assert (
        f'agnews_answered_rows_total{{label="Sports",version="{versions[0]}"}} 30' in server.client.get("/metrics").text
    )


def test_what_a_shadow_says_is_logged_beside_the_answer_and_asked_of_nobody(
    toy_store: Any, versions: tuple[str, str], start_server: Any, tmp_path: Path
) -> None:
    places = places_at(str(tmp_path / "log"))
    since = datetime(2020, 1, 1, tzinfo=UTC)
    with start_server(toy_store.store, log_settings=LogSettings(places)) as server:
        state = server.state
        tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
        keep = state.request_log.offer_shadow
        state.shadow = Shadow(tried, state.metrics, waiting=lambda: state.batcher.waiting, keep=keep)
        state.shadow.start()
        request = server.predict("the coach", "stocks", *["troops move"] * 20).headers["X-Request-Id"]
        names = ["id", "version", "label", "is_shadow", "words"]
        server.wait_for(lambda: read_requests(places, since).num_rows == 44)
        rows = read_requests(places, since, names=names).to_pylist()
        said = {(row["id"], row["version"]): (row["label"], row["is_shadow"]) for row in rows}
        assert said[f"{request}/0", versions[0]] == ("Sports", False)
        assert said[f"{request}/0", versions[1]] == ("World", True)
        assert said[f"{request}/1", versions[1]] == ("Business", True)
        assert all(row["words"] is not None for row in rows), "each version is judged by the same measures"
        texts = read_logged_texts(places, since)
        assert [(each.row, each.answer) for each in texts[:2]] == [
            (f"{request}/0", "Sports"),
            (f"{request}/1", "Business"),
        ]
        assert len(texts) == 22
        # Nobody was answered with it, so the log of answers has lost nothing.
        page = server.client.get("/metrics").text
        assert "not logged" not in page
        assert state.request_log.flush(1.0)


def test_a_shadow_waits_for_its_turn_and_drops_what_it_has_no_time_for(
    server: Any, toy_store: Any, versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agnews.components.model_server.shadow._MOST_REQUESTS", 5)
    state = server.state
    waiting = 1
    tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    state.shadow = Shadow(tried, state.metrics, waiting=lambda: waiting)
    state.shadow.start()
    for _ in range(12):
        assert server.predict("the coach").status_code == 200
    # One is in its hands, five wait.
    assert shadow_rows(server) == {("", "dropped"): 6}
    waiting = 0
    server.wait_for(lambda: shadow_rows(server).get(("Sports", "different")) == 6)


def test_a_shadow_that_fails_fails_nobody(server: Any, toy_store: Any, versions: tuple[str, str]) -> None:
    state, told = server.state, []
    tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    tried._calls.clear()
    state.shadow = Shadow(tried, state.metrics, waiting=lambda: 0, log=told.append)
    state.shadow.start()
    for _ in range(3):
        assert server.predict("the coach").status_code == 200
    server.wait_for(lambda: shadow_rows(server) == {("", "failed"): 3})
    assert len(told) == 1


def test_texts_that_a_shadow_takes_together_fail_and_are_counted_one_by_one(
    server: Any, toy_store: Any, versions: tuple[str, str]
) -> None:
    state, kept, asked = server.state, [], []
    tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    run, is_busy = tried.run, True

    def fail_on_one(signature: str, values: Any) -> Any:
        asked.append(len(values))
        if b"stocks" in values:
            raise ValueError("no")
        return run(signature, values)

    def keep(request: str, version: str, texts: Any, outputs: Any, seconds: float) -> bool:
        kept.append((request, list(texts), outputs["label"].tolist()))
        return True

    tried.run = fail_on_one
    state.shadow = Shadow(tried, state.metrics, waiting=lambda: is_busy, keep=keep)
    state.shadow.start()
    wanted = [["the coach"], ["stocks", "troops move"], ["troops move", "the coach", "troops move"]]
    ids = [server.predict(*texts).headers["X-Request-Id"] for texts in wanted]
    is_busy = False
    server.wait_for(lambda: sum(shadow_rows(server).values()) == 6)
    assert asked == [6, *[1] * 6], "once together, and then each alone"
    assert shadow_rows(server) == {("", "failed"): 1, ("Sports", "different"): 2, ("World", "different"): 3}
    server.wait_for(lambda: len(kept) == 2)
    answers = {b"the coach": b"World", b"troops move": b"Sports"}
    for (request, texts, labels), number in zip(kept, (0, 2), strict=True):
        assert (request, texts) == (ids[number], [text.encode() for text in wanted[number]])
        assert labels == [answers[text] for text in texts]


def test_an_answer_that_is_none_does_not_end_the_shadow(server: Any, toy_store: Any, versions: tuple[str, str]) -> None:
    state, told = server.state, []
    tried = state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    run = tried.run
    tried.run = lambda *_: {}
    state.shadow = Shadow(tried, state.metrics, waiting=lambda: 0, log=told.append)
    state.shadow.start()
    assert server.predict("the coach").status_code == 200
    server.wait_for(lambda: shadow_rows(server) == {("", "failed"): 1})
    tried.run = run
    assert server.predict("the coach").status_code == 200
    server.wait_for(lambda: shadow_rows(server).get(("Sports", "different")) == 1)
    assert len(told) == 1


def test_a_canary_answers_its_share_and_the_same_id_gets_the_same_version(
    server: Any, toy_store: Any, versions: tuple[str, str]
) -> None:
    state = server.state
    state.host.load_beside(find_pushed_model(toy_store.store, versions[1]))
    state.canary = Canary(versions[1], 0.25)

    def answers() -> list[str]:
        found = []
        for number in range(200):
            headers = {"X-Request-Id": f"id-{number}"}
            body = {"instances": ["the coach"]}
            answer = server.client.post("/v1/models/agnews:predict", json=body, headers=headers)
            found.append(answer.json()["predictions"][0]["label"])
        return found

    first = answers()
    assert 30 <= first.count("World") <= 70
    assert answers() == first
    page = server.client.get("/metrics").text
    assert f'agnews_answered_rows_total{{label="World",version="{versions[1]}"}} {2 * first.count("World")}' in page
    asked = server.client.post(f"/v1/models/agnews/versions/{versions[0]}:predict", json={"instances": ["the coach"]})
    assert asked.json()["predictions"][0]["label"] == "Sports", "who asks for a version gets that one"
    states = {
        each["version"]: each["state"] for each in server.client.get("/v1/models/agnews").json()["model_version_status"]
    }
    assert states == {versions[0]: "AVAILABLE", versions[1]: "AVAILABLE"}


def test_a_version_with_other_classes_is_refused(
    server: Any, toy_store: Any, toy_models: dict[str, Path], versions: tuple[str, str]
) -> None:
    model = find_pushed_model(toy_store.store, versions[1])
    other = model.__class__(model.folder, model.record.model_copy(update={"classes": ("x", "y")}))
    with pytest.raises(AgnewsError, match="other classes"):
        server.state.host.load_beside(other)


@pytest.mark.parametrize("value", ["17", "17=", "17=2", "x=0.1", "17=-0.1", "17=0.1x"])
def test_what_is_no_canary_is_refused(value: str) -> None:
    with pytest.raises(AgnewsError, match="a version and its share"):
        parse_canary(value)
    assert parse_canary("17=0.05") == Canary("17", 0.05)
    assert parse_canary("17=1") == Canary("17", 1.0)
