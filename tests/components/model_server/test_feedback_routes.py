"""Labels over HTTP, and the page to give them: in a real browser, by keyboard."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.components.feedback.collect_labels import read_labelled
from agnews.components.feedback.label_store import read_labels
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.feedback.training_rows import queue_training_rows
from agnews.components.model_server.access_token import AccessToken
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.request_log import LogSettings
from agnews.components.second_opinion.fit_hashed_words import SampledRows, fit_hashed_words
from agnews.schemas.feedback import Source
from agnews.schemas.kept_text import KeptText
from agnews.schemas.linear_check import DoubtfulLabel
from agnews.schemas.linear_reference import LINEAR_FILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "a-token-of-a-test"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
TEXTS = [f"the coach and stocks number {number}" for number in range(12)]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_at(str(tmp_path / "log"))


@pytest.fixture
def server(toy_store: Any, toy_models: dict[str, Path], start_server: Any, places: Places) -> Iterator[Any]:
    toy_store.push(toy_models["unsure"])
    with start_server(toy_store.store, token=AccessToken(TOKEN), log_settings=LogSettings(places)) as server:
        for number, text in enumerate(TEXTS):
            headers = {**SHOWN, "X-Request-Id": f"r{number}"}
            server.client.post("/v1/models/agnews:predict", json={"instances": [text]}, headers=headers)
        assert server.state.request_log.flush()
        yield server


def post(server: Any, verb: str, body: object, **headers: str) -> Any:
    return server.client.post(f"/v1/models/agnews:{verb}", json=body, headers=headers or SHOWN)


def test_labels_are_kept_before_they_are_answered(server: Any, places: Places) -> None:
    given = [{"request": "r1", "label": "Sports", "by": "ann"}, {"text": "another", "label": "World", "by": "ann"}]
    answer = post(server, "feedback", {"labels": given})
    assert answer.status_code == 200, answer.text
    kept = read_labels(places)
    assert [each.id for each in kept] == answer.json()["kept"]
    assert [(each.row, each.text, each.label, each.source) for each in kept] == [
        ("r1/0", "", "Sports", Source.API),
        ("", "another", "World", Source.API),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"labels": [{"request": "r1", "label": "Sprots", "by": "ann"}]}, "classes are World, Sports"),
        ({"labels": [{"label": "Sports", "by": "ann"}]}, "say which text"),
        ({"labels": [{"request": "r1", "label": "Sports"}]}, "labels.0.by"),
        ({"labels": []}, "labels"),
        ({"labels": [{"request": "r1", "label": "Sports", "by": "a", "at": "2026-11-29T10:00:00"}]}, "at"),
    ],
)
def test_what_is_no_label_is_refused_with_words(server: Any, places: Places, body: object, words: str) -> None:
    answer = post(server, "feedback", body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert read_labels(places) == []


def test_what_is_too_long_is_neither_kept_nor_sent_back(server: Any, places: Places) -> None:
    body = {"labels": [{"text": "a" * 70_000, "label": "Sports", "by": "ann"}]}
    assert post(server, "feedback", body).status_code == 422
    body = {"labels": [{"text": "a", "label": "Sports", "by": "ann", "k" * 1_000_000: 1}]}
    answer = post(server, "feedback", body)
    assert (answer.status_code, len(answer.text) < 1000) == (400, True)
    assert read_labels(places) == []


def test_a_log_that_cannot_be_read_is_told_without_its_paths(server: Any, places: Places) -> None:
    assert post(server, "feedback", {"labels": [{"request": "r1", "label": "Sports", "by": "ann"}]}).status_code == 200
    (file,) = Path(places.feedback).rglob("*.jsonl")
    file.write_text("{damaged")
    answer = post(server, "queue", {"by": "ann"})
    assert answer.status_code == 503
    assert str(places.uri) not in answer.text


def test_what_people_have_said_and_asked_is_for_nobody_else(server: Any, places: Places) -> None:
    post(server, "feedback", {"labels": [{"request": "r1", "label": "Sports", "by": "ann"}]})
    server.state.request_log.close()
    kept = [path for path in Path(places.uri).rglob("*") if path.suffix in (".jsonl", ".parquet")]
    assert {path.suffix for path in kept} == {".jsonl", ".parquet"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_nobody_gives_labels_without_a_token(server: Any) -> None:
    assert post(server, "feedback", {"labels": []}, Authorization="Bearer wrong").status_code == 401
    assert post(server, "queue", {"by": "ann"}, Authorization="Bearer wrong").status_code == 401


def test_a_server_that_cannot_take_labels_names_the_option(
    toy_store: Any, toy_models: dict[str, Path], start_server: Any, places: Places
) -> None:
    toy_store.push(toy_models["sure"])
    body = {"labels": [{"request": "r1", "label": "Sports", "by": "ann"}]}
    with start_server(toy_store.store, token=AccessToken(TOKEN)) as server:
        answer = post(server, "feedback", body)
        assert (answer.status_code, "--log-requests" in answer.text) == (400, True)
    with start_server(toy_store.store, log_settings=LogSettings(places)) as server:
        answer = post(server, "feedback", body)
        assert (answer.status_code, "--token-file" in answer.text) == (403, True)
    quiet = LogSettings(places, text=KeptText.NONE)
    with start_server(toy_store.store, token=AccessToken(TOKEN), log_settings=quiet) as server:
        answer = post(server, "feedback", body)
        assert (answer.status_code, "--log-text all" in answer.text) == (400, True)
        body["labels"][0]["text"] = "here it is"
        assert post(server, "feedback", body).status_code == 200


def test_the_queue_gives_what_nobody_has_labelled(server: Any) -> None:
    first = post(server, "queue", {"by": "ann", "number": 5}).json()
    assert first["classes"] == ["World", "Sports", "Business", "Sci/Tech"]
    assert len(first["texts"]) == 5
    assert all(each["text"] in TEXTS for each in first["texts"])
    assert {each["why"] for each in first["texts"]} <= {"random", "uncertain"}
    (top, *_) = first["texts"]
    post(server, "feedback", {"labels": [{"request": top["row"], "label": "World", "by": "ann"}]})
    again = post(server, "queue", {"by": "ann", "number": 100, "skip": [first["texts"][1]["row"]]}).json()
    assert len(again["texts"]) == len(TEXTS) - 2
    for each in again["texts"]:
        assert (each["why"] == "random") == is_in_random_share(each["row"])


def test_training_rows_in_doubt_are_given_out_and_taken_back_also_where_no_texts_are_kept(
    toy_store: Any, toy_models: dict[str, Path], start_server: Any, places: Places
) -> None:
    toy_store.push(toy_models["unsure"])
    row = DoubtfulLabel(
        text="a row that was learnt", label="World", answer="Sports", label_probability=0.1, answer_probability=0.8
    )
    queue_training_rows(places, "run", [row])
    quiet = LogSettings(places, text=KeptText.NONE)
    with start_server(toy_store.store, token=AccessToken(TOKEN), log_settings=quiet) as server:
        (text,) = post(server, "queue", {"by": "ann"}).json()["texts"]
        assert (text["why"], text["label"], text["answer"]) == ("training", "World", "Sports")
        given = {"request": text["row"], "label": "Sports", "by": "ann"}
        assert post(server, "feedback", {"source": "queue", "labels": [given]}).status_code == 200
        assert post(server, "queue", {"by": "ann"}).json()["texts"] == []
    ((labelled,), _) = read_labelled(places)
    assert (labelled.text, labelled.label) == ("a row that was learnt", "Sports")


def test_where_the_linear_model_of_the_version_disagrees_is_asked(
    toy_store: Any, toy_models: dict[str, Path], start_server: Any, places: Places, tmp_path: Path
) -> None:
    texts = ["coach coach coach", "stocks stocks stocks"]
    block = [text.encode() for text in texts]
    train = SampledRows()
    train.add(block, measure_texts(block, Alphabet("")), np.array([0, 2]))
    reference = fit_hashed_words(train, texts, np.array([0, 2]), ("World", "Sports", "Business", "Sci/Tech"))
    assert reference is not None
    (tmp_path / "linear.json").write_text(reference.model_dump_json())
    toy_store.push(toy_models["sure"], beside={LINEAR_FILE: str(tmp_path / "linear.json")})
    with start_server(toy_store.store, token=AccessToken(TOKEN), log_settings=LogSettings(places)) as server:
        for number, text in enumerate(["the coach coach said", "the stocks stocks said"] * 6):
            asked = {"instances": [f"{text} {number}"]}
            answer = server.client.post("/v1/models/agnews:predict", json=asked, headers=SHOWN)
            assert answer.json()["predictions"][0]["label"] == ("Business" if "stocks" in text else "Sports")
        assert server.state.request_log.flush()
        found = post(server, "queue", {"by": "ann", "number": 100}).json()["texts"]
    apart = [each["text"] for each in found if each["why"] == "disagreement"]
    assert apart
    assert all("coach" in each for each in apart), "there it says World"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


def enter(page: Page, url: str, token: str = TOKEN) -> None:
    page.goto(f"{url}/label")
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Token of this server").fill(token)
    page.keyboard.press("Enter")


@pytest.mark.integration
def test_texts_are_labelled_by_keyboard(server: Any, places: Places, browser: Browser) -> None:
    from playwright.sync_api import expect

    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    enter(page, server.url)
    expect(page.locator("#choices button")).to_have_text(["1World", "2Sports", "3Business", "4Sci/Tech"])
    first = page.locator("#text").inner_text()
    page.keyboard.press("2")
    expect(page.locator("#said")).to_contain_text("Sports")
    expect(page.locator("#said")).to_contain_text("the model said")
    second = page.locator("#text").inner_text()
    assert second != first
    page.keyboard.press("s")
    third = page.locator("#text").inner_text()
    page.keyboard.press("3")
    page.keyboard.press("u")
    expect(page.locator("#text")).to_have_text(third)
    page.keyboard.press("4")
    for _ in range(len(TEXTS) - 3):
        page.keyboard.press("1")
    expect(page.get_by_text("Nothing is waiting")).to_be_visible()
    server.wait_for(lambda: len(read_labels(places)) == len(TEXTS))
    said: dict[str, str] = {each.text: each.label for each in read_labels(places)}
    assert (said[first], said[third]) == ("Sports", "Sci/Tech")
    assert second not in said, "skipped"
    assert {each.by for each in read_labels(places)} == {"ann"}
    assert {each.source for each in read_labels(places)} == {Source.QUEUE}
    assert not problems


@pytest.mark.integration
def test_the_label_of_a_training_row_is_told_afterwards(server: Any, places: Places, browser: Browser) -> None:
    from playwright.sync_api import expect

    rows = [
        DoubtfulLabel(
            text=f"row {number}", label="World", answer="Sports", label_probability=0.1, answer_probability=0.8
        )
        for number in (1, 2)
    ]
    queue_training_rows(places, "run", rows)
    page = browser.new_page()
    enter(page, server.url)
    page.locator("#choices button").first.wait_for()
    told = []
    while len(told) < len(rows):
        if page.locator("#why").inner_text() != "A training row whose label is in doubt":
            page.keyboard.press("s")
            continue
        expect(page.locator("#desk")).not_to_contain_text("linear model")
        page.keyboard.press("21"[len(told)])
        told.append(page.locator("#said").inner_text())
    assert told == [
        "Sports - until now it was World; a linear model says Sports (80 %).",
        "World is the label that it has; a linear model says Sports (80 %).",
    ]
    server.wait_for(lambda: [each.label for each in read_labels(places)] == ["Sports", "World"])


@pytest.mark.integration
def test_a_wrong_token_is_asked_for_again_and_a_lost_label_comes_back(
    server: Any, places: Places, browser: Browser
) -> None:
    from playwright.sync_api import expect

    page = browser.new_page()
    enter(page, server.url, "wrong-wrong-wrong-wrong")
    expect(page.get_by_role("alert")).to_contain_text("does not accept this token")
    page.get_by_label("Token of this server").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#choices button")).to_have_count(4)
    text = page.locator("#text").inner_text()
    page.route("**/*:feedback", lambda route: route.abort())
    page.keyboard.press("1")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.locator("#text")).to_have_text(text)
    page.unroute("**/*:feedback")
    page.keyboard.press("2")
    server.wait_for(lambda: [(each.text, each.label) for each in read_labels(places)] == [(text, "Sports")])


@pytest.mark.integration
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off_on_any_width(server: Any, browser: Browser, width: int, request: Any) -> None:
    page = browser.new_page(viewport={"width": width, "height": 760})
    enter(page, server.url)
    page.locator("#choices button").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator("#choices button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 760, "all classes are seen without scrolling"
    pictures = Path(request.config.rootpath) / "build" / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=pictures / f"label-{width}.png")
    page.close()
