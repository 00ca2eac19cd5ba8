"""The page in a real browser, on a real server: what people see, by eye, by keyboard and by ear."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.schemas.abstention import Abstention
from agnews.schemas.corpus import Corpus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[3] / "components" / "model_server" / "page"
CLASSES = ("World", "Sports", "Business", "Sci/Tech")
TOKEN = "a-token-of-a-test"
OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")
def push(export_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelStore]:
    """Pushes a toy into a store of its own, or into one that is there."""
    models: dict[bool, Path] = {}

    def push(store: ModelStore | None = None, *, explains: bool = True, run_id: str = "") -> ModelStore:
        if explains not in models:
            models[explains] = export_model(explains=explains)
        store = store or ModelStore(str(tmp_path_factory.mktemp("store")), "agnews")
        note = tmp_path_factory.mktemp("note") / "note"
        note.write_text(run_id)
        current = store.production()
        publish(
            store,
            model=str(models[explains]),
            extra_files={"assets.extra/note": str(note)},
            judged_against=current.version if current else "",
            fingerprint="",
            run_id=run_id,
            accuracy=0.9134,
            classes=CLASSES,
        )
        return store

    return push


@pytest.fixture(scope="module")
def url(push: Callable[..., ModelStore], start_server: Any) -> Iterator[str]:
    """A server for tests that change nothing about it."""
    with start_server(push()) as server:
        yield server.url


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Opens the page; fails the test where the browser had anything to complain about."""
    complaints: list[str] = []
    contexts = []

    def open_page(address: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.goto(address or url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A browser reports each answer above 399 and each connection that was refused by itself.
    assert not [each for each in complaints if "Failed to load resource" not in each]


def wait_for_text(page: Page, selector: str, text: str) -> None:
    # Not wait_for_function, which evaluates a string and so meets the page's policy.
    page.locator(selector, has_text=text).wait_for()


def wait_for_words(page: Page) -> None:
    page.wait_for_selector("#why:not([hidden])[aria-busy=false]")


def test_typing_shows_probabilities_and_the_words_that_mattered(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_text(page, "#facts", "version")
    assert "91.3 % right" in page.inner_text("#facts")
    assert page.is_hidden("#answer")

    page.locator("#text").press_sequentially("The Coach, of shares", delay=5)
    wait_for_text(page, "#winner", "Sports")
    wait_for_words(page)

    rows = [row.split("\n") for row in page.locator("#classes li").all_inner_texts()]
    assert [name for name, _ in rows] == list(CLASSES)
    assert page.inner_text("#classes .first").startswith("Sports")
    shares = page.eval_on_selector_all(
        "#classes .bar", "bars => bars.map(bar => +bar.style.getPropertyValue('--share'))"
    )
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert [f"{round(100 * share)} %" for share in shares] == [percent for _, percent in rows]
    # The reader's own words, with their capitals, and nothing around them.
    assert page.inner_text("#reading") == "The Coach, of shares"
    assert page.locator("#reading .for").all_inner_texts() == ["Coach"]
    assert page.locator("#reading .against").all_inner_texts() == ["shares"]
    assert page.locator("#for li").all_inner_texts() == ["Coach\n+2.0"]
    assert page.locator("#against li").all_inner_texts() == ["shares\n\u22121.0"]
    assert re.fullmatch(r"Sports, \d+ %\. Words that speak for it: Coach\.", page.inner_text("#spoken"))


def test_a_cleared_text_clears_the_answer(open_page: OpenPage) -> None:
    page = open_page()
    page.fill("#text", "coach")
    wait_for_words(page)

    page.click("#clear")

    assert page.is_hidden("#answer")
    assert page.is_hidden("#why")
    assert page.input_value("#text") == ""
    assert page.evaluate("document.activeElement.id") == "text"
    assert page.text_content("#spoken") == ""


def test_markup_is_text_and_emoji_shift_nothing(open_page: OpenPage) -> None:
    page = open_page()
    typed = "<svg onload=alert(1)> 👨\u200d👩\u200d👧 \U0001d50a stocks 日本 PROFIT"

    page.fill("#text", typed)
    wait_for_words(page)

    assert page.text_content("#reading") == typed
    assert page.locator("#reading .for").all_inner_texts() == ["stocks", "PROFIT"]
    assert page.locator("#reading svg").count() == 0


def test_what_the_model_did_not_read_is_told_apart(open_page: OpenPage) -> None:
    page = open_page()

    page.fill("#text", "coach " + "filler " * 60)
    wait_for_words(page)

    assert page.is_visible("#cut")
    assert page.inner_text("#reading .unread").split() == ["filler"] * 21
    page.fill("#text", "coach " + "filler " * 30)
    page.wait_for_selector("#cut", state="hidden")


def test_a_late_answer_to_an_earlier_text_is_dropped(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_text(page, "#facts", "version")
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if "coach" in (route.request.post_data or "") and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/*:predict", hold_the_first)
    page.fill("#text", "coach")
    for _ in range(100):
        if not held:
            page.wait_for_timeout(100)
    assert held, "the first text was sent"
    page.fill("#text", "stocks")
    wait_for_text(page, "#winner", "Business")
    wait_for_words(page)
    page.wait_for_timeout(100)

    assert page.inner_text("#winner") == "Business"
    assert page.inner_text("#reading") == "stocks"


def test_everything_can_be_done_from_the_keyboard(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 1000, "height": 900})
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"nothing shows that {reached[-1]} has the focus"
        if reached[-1] == "BUTTON":
            break

    assert reached[:2] == ["A", "text"]
    page.keyboard.press("Enter")
    wait_for_words(page)
    assert page.input_value("#text").startswith("Chip maker")
    assert page.get_attribute(".examples button >> nth=0", "aria-pressed") == "true"
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.is_visible("details p >> nth=0")


def test_a_screen_reader_finds_names_and_roles(open_page: OpenPage) -> None:
    page = open_page()
    page.fill("#text", "coach and stocks")
    wait_for_words(page)

    assert page.get_by_role("textbox", name="Your news text").count() == 1
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("list", name="Probability of each class").get_by_role("listitem").count() == 4
    assert page.get_by_role("region", name="Which words mattered").count() == 1
    assert page.get_by_role("status").count() == 1
    assert page.get_attribute("html", "lang") == "en"
    nameless = page.eval_on_selector_all(
        "button, a, input, textarea, summary",
        "all => all.filter(e => e.checkVisibility() && !e.labels?.length && !e.innerText.trim()).map(e => e.outerHTML)",
    )
    assert nameless == []
    ids = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    pointing = page.eval_on_selector_all(
        "[for], [aria-labelledby], [aria-describedby]",
        "all => all.map(e => e.getAttribute('for') ?? e.getAttribute('aria-labelledby') ?? "
        "e.getAttribute('aria-describedby'))",
    )
    assert set(pointing) <= set(ids)


_CONTRAST = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    probe.clearRect(0, 0, 1, 1); probe.fillStyle = color; probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const behind = (e) => e === null ? [255, 255, 255]
    : over(rgba(getComputedStyle(e).backgroundColor), behind(e.parentElement));
  const light = (color) => {
    const [r, g, b] = color.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest(".out-of-sight, noscript")) continue;
    const below = behind(e), style = getComputedStyle(e);
    const color = rgba(style.color); color[3] *= +style.opacity;
    const [a, b] = [light(over(color, below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? 3 : 4.5)) weak.push(`${e.id || e.className || e.tagName}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    page.fill("#text", "coach and stocks " + "filler " * 60)
    wait_for_words(page)
    page.click("summary")
    page.evaluate("for (const id of ['problem', 'token-form']) document.getElementById(id).hidden = false")
    page.evaluate("document.getElementById('problem-text').textContent = 'A problem.'")

    assert page.evaluate(_CONTRAST) == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) == (scheme == "dark")


def test_for_and_against_differ_by_more_than_color(open_page: OpenPage) -> None:
    page = open_page()
    page.fill("#text", "coach stocks")
    wait_for_words(page)

    def line(selector: str) -> Any:
        return page.eval_on_selector(selector, "e => getComputedStyle(e).textDecorationStyle")

    assert line("#reading .for") == "solid"
    assert line("#reading .against") == "dashed"


def test_nothing_moves_for_those_who_asked_for_it(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.fill("#text", "coach")
    wait_for_words(page)

    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    )
    assert moving == 0


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_small_screen_shows_all_without_scrolling_sideways(open_page: OpenPage, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 700}, has_touch=True)
    page.fill("#text", f"coach {'Donaudampfschifffahrtsgesellschaft' * 3} stocks https://example.com/{'a' * 90}")
    wait_for_words(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.eval_on_selector_all(
        "button, input, textarea, summary",
        "all => all.filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML)",
    )
    assert small == []


def test_the_page_asks_nobody_else_and_runs_under_a_strict_policy(browser: Browser, url: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    response = page.goto(url)
    page.fill("#text", "coach")
    wait_for_words(page)
    context.close()

    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert {each for each in asked if not each.startswith(url)} == set()
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src)", html)
    assert sum(path.stat().st_size for path in PAGE.iterdir()) < 48_000


def test_a_server_that_goes_away_is_told_and_comes_back_by_itself(
    open_page: OpenPage, push: Callable[..., ModelStore], start_server: Any
) -> None:
    with start_server(push()) as server:
        page = open_page(server.url)
        page.fill("#text", "coach")
        wait_for_words(page)

    page.fill("#text", "coach and stocks")
    page.wait_for_selector("#problem:not([hidden])")

    assert "does not answer" in page.inner_text("#problem")
    assert page.get_by_role("alert").inner_text().startswith("The server does not answer")
    assert page.is_visible("#retry")
    assert page.input_value("#text") == "coach and stocks"
    with start_server(push(), port=int(server.url.rpartition(":")[2])):
        wait_for_text(page, "#reading", "coach and stocks")
        assert page.is_hidden("#problem")


def test_a_busy_server_is_asked_again(open_page: OpenPage) -> None:
    page = open_page()
    turned_away = []

    def turn_away_once(route: Route) -> None:
        if turned_away:
            route.continue_()
        else:
            turned_away.append(route.request.url)
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "Too much is waiting."})

    page.route("**/*:predict", turn_away_once)
    page.fill("#text", "coach")

    wait_for_text(page, "#winner", "Sports")
    wait_for_words(page)
    page.wait_for_selector("#problem", state="hidden")
    assert turned_away


def test_what_the_server_refuses_is_said_in_its_words_until_the_text_changes(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_text(page, "#facts", "version")

    page.fill("#text", "x" * 70_000)
    page.wait_for_selector("#problem:not([hidden])")

    assert "64" in page.inner_text("#problem-text") or "65" in page.inner_text("#problem-text")
    assert page.is_hidden("#retry")
    page.fill("#text", "coach")
    page.wait_for_selector("#problem", state="hidden")
    wait_for_words(page)


def test_an_answer_that_was_cut_off_is_asked_for_again(open_page: OpenPage) -> None:
    page = open_page()
    cut = [True]

    def send(route: Any) -> None:
        if cut:
            cut.pop()
            route.fulfill(status=200, content_type="application/json", body='{"predictions": [')
        else:
            route.continue_()

    page.route("**/*:predict", send)
    page.route("**/*:explain", lambda route: route.abort())
    page.fill("#text", "coach")
    page.wait_for_selector("#problem:not([hidden])")
    assert "does not answer" in page.inner_text("#problem-text")
    wait_for_text(page, "#winner", "Sports")


def test_a_server_with_a_token_asks_for_it(
    open_page: OpenPage, push: Callable[..., ModelStore], start_server: Any
) -> None:
    with start_server(push(), token=AccessToken(TOKEN)) as server:
        page = open_page(server.url)
        page.wait_for_selector("#token-form:not([hidden])")
        assert page.is_hidden("#problem"), "nothing was wrong so far"
        page.fill("#text", "coach")

        page.fill("#token", "a-token-that-is-wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#problem:not([hidden])")
        assert "does not accept" in page.inner_text("#problem-text")
        page.wait_for_selector("#token:focus")

        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        wait_for_words(page)
        assert page.is_hidden("#token-form")
        assert page.is_hidden("#problem")
        assert page.inner_text("#winner") == "Sports"
        assert TOKEN not in page.url
        assert page.evaluate("localStorage.length") == 0
        assert page.context.cookies() == []
        assert page.get_attribute("#token", "type") == "password"


def test_another_version_takes_over_under_the_readers_eyes(
    open_page: OpenPage, push: Callable[..., ModelStore], start_server: Any
) -> None:
    store = push()
    with start_server(store) as server:
        page = open_page(server.url)
        page.fill("#text", "coach")
        wait_for_words(page)
        push(store, explains=False, run_id="newer")
        current = store.production()
        assert current is not None
        server.wait_for(lambda: server.state.host.version == current.version)

        page.evaluate("window.dispatchEvent(new Event('online'))")

        wait_for_text(page, "#facts", current.version)
        # This one was pushed before explanations existed.
        page.wait_for_selector("#no-why:not([hidden])")
        assert page.is_hidden("#why")
        assert page.inner_text("#winner") == "Sports"
        rollback(store)
        server.wait_for(lambda: server.state.host.version != current.version)
        page.evaluate("window.dispatchEvent(new Event('online'))")
        wait_for_words(page)
        assert page.is_hidden("#no-why")


def test_classes_are_those_of_the_model(
    open_page: OpenPage, export_model: Callable[..., Path], start_server: Any, tmp_path: Path
) -> None:
    names = ("praise", "complaint & <b>anger</b>")
    store = ModelStore(str(tmp_path), "reviews")
    publish(
        store,
        model=str(export_model(keywords=("lovely|good", "broken|late"), class_names=names, explains=True)),
        extra_files={},
        judged_against="",
        fingerprint="",
        run_id="",
        accuracy=0.5,
        classes=names,
    )
    with start_server(store) as server:
        page = open_page(server.url)
        page.fill("#text", "Late again")
        wait_for_words(page)

        assert page.inner_text("#name") == "reviews"
        assert page.inner_text("#winner") == names[1]
        assert page.locator("#classes li span:first-child").all_inner_texts() == list(names)
        assert page.inner_text("#for-title") == f"speak for {names[1]}"


HEBREW = {
    "name": "news_he",
    "about": "ידיעות קצרות בעברית",
    "text": "ידיעה",
    "question": "במה עוסקת הידיעה?",
    "language": "he",
    "classes": ["ספורט", "כלכלה", "פוליטיקה ומדיניות חוץ"],
    "example_texts": ["הקבוצה ניצחה במשחק הגמר", "מחירי הדלק עלו החודש"],
}
CHINESE = {
    "name": "news_zh",
    "about": "简短的中文新闻",
    "text": "新闻",
    "question": "这条新闻属于哪一类？",  # noqa: RUF001 - as Chinese is written
    "language": "zh-Hans",
    "classes": ["体育", "财经", "国际时事与外交政策"],
    "example_texts": ["球队在决赛中获胜"],
}


def corpus_of(classes: Sequence[str], **described: Any) -> Corpus:
    document = {"format": 1, "name": "made", "language": "en"} | described
    document["classes"] = [{"value": name, "name": name} for name in classes]
    return Corpus.model_validate_json(json.dumps(document))


@pytest.fixture(scope="module")
def serve_corpus(
    export_model: Callable[..., Path], start_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., str]]:
    """Serves a toy that looks for `keywords`, one a class, with a description of its texts; returns the address."""
    with ExitStack() as servers:

        def serve(corpus: Corpus, keywords: Sequence[str], abstains_below: float = 0.0) -> str:
            folder = tmp_path_factory.mktemp("store")
            description = folder / "corpus.json"
            description.write_text(corpus.canonical(), encoding="utf-8")
            more = {"assets.extra/corpus.json": str(description)}
            if abstains_below:
                said = Abstention(wanted=0.9, threshold=abstains_below, eval_rows=1, coverage=0.5, precision=0.9)
                (folder / "abstention.json").write_text(said.model_dump_json())
                more["assets.extra/abstention.json"] = str(folder / "abstention.json")
            store = ModelStore(str(folder / "models"), corpus.name)
            model = export_model(keywords=keywords, class_names=corpus.class_names, sharpness=9.0, explains=True)
            publish(
                store,
                model=str(model),
                extra_files=more,
                judged_against="",
                fingerprint="",
                run_id="",
                accuracy=0.87,
                classes=corpus.class_names,
            )
            return str(servers.enter_context(start_server(store)).url)

        yield serve


def many(count: int) -> tuple[Corpus, list[str]]:
    """Names of many lengths; class n is found by the word `topicN`."""
    names = [f"{number}_{'a very long name of a class, ' * (number % 4 == 1)}class" for number in range(count)]
    noun = {"text": "question", "question": "What does the customer want?", "about": "questions of customers"}
    return corpus_of(names, **noun), [f"topic{number}" for number in range(count)]


@pytest.fixture(scope="module")
def large_url(serve_corpus: Callable[..., str]) -> Callable[[int], str]:
    """Addresses of servers with so many classes, each started once."""
    return cache(lambda count: serve_corpus(*many(count)))


def sideways(page: Page) -> list[str]:
    """What stands outside the window, by tag and id."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.examples, "
        ".out-of-sight, .skip') && (e.getBoundingClientRect().right > innerWidth + 0.5 || "
        "e.getBoundingClientRect().left < -0.5)).map(e => e.tagName + '#' + e.id + '.' + e.className)"
    )
    return found


SCREENS = {"desktop": (1280, 900), "phone": (360, 740)}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("count", [3, 77, 300])
def test_any_number_of_classes_fits_on_any_screen(
    open_page: OpenPage, large_url: Callable[[int], str], tmp_path: Path, count: int, screen: str
) -> None:
    width, height = SCREENS[screen]
    page = open_page(large_url(count), viewport={"width": width, "height": height})
    page.fill("#text", "I want topic1 and nothing of topic2")
    wait_for_words(page)
    page.screenshot(path=tmp_path / "page.png", full_page=True)

    assert page.inner_text("#winner").startswith("1_")
    assert page.locator("#classes li").count() == min(count, 5)
    assert page.is_visible("#more-row") == (count > 5)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sideways(page) == []
    bars = page.eval_on_selector_all("#classes .bar", "all => all.map(e => e.getBoundingClientRect().width)")
    assert max(bars) - min(bars) < 1, "bars of one length, or they cannot be compared"
    assert min(bars) > 90


def test_more_of_many_classes_are_shown_when_somebody_wants_them(
    open_page: OpenPage, large_url: Callable[[int], str]
) -> None:
    page = open_page(large_url(77))
    page.fill("#text", "topic5 topic9")
    wait_for_words(page)
    assert page.inner_text("#others") == "72 other classes are less likely."

    for expected in (25, 45, 65, 77):
        page.click("#more")
        page.locator("#classes li").nth(expected - 1).wait_for()
        assert page.locator("#classes li").count() == expected
    assert page.is_hidden("#more-row")
    shares = page.eval_on_selector_all(
        "#classes .bar", "bars => bars.map(bar => +bar.style.getPropertyValue('--share'))"
    )
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    page.fill("#text", "topic6")
    wait_for_text(page, "#winner", "6_class")
    page.locator("#others", has_text="72 other").wait_for()


def test_the_words_of_the_page_are_those_of_the_corpus(open_page: OpenPage, large_url: Callable[[int], str]) -> None:
    page = open_page(large_url(77))
    wait_for_text(page, "h1", "What does the customer want?")
    assert page.inner_text(".lead").startswith("Sorts questions of customers into 77 classes.")
    assert page.get_by_role("textbox", name="Your question").count() == 1
    assert page.title() == "What does the customer want? · made"
    assert page.is_hidden("#examples")
    said = page.inner_text("body") + page.content()
    assert not re.search(r"headline|news|topic\b", said, re.IGNORECASE)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    ("described", "keywords", "typed", "side"),
    [
        pytest.param(HEBREW, ("משחק|ניצחה", "מחירי", "ממשלה"), "הקבוצה ניצחה במשחק על מחירי הכרטיסים", "rtl", id="he"),
        pytest.param(CHINESE, ("球队", "股票", "外交"), "球队 在 决赛 中 获胜 , 股票 上涨", "ltr", id="zh"),
    ],
)
def test_texts_run_in_the_direction_of_their_language(
    open_page: OpenPage,
    serve_corpus: Callable[..., str],
    tmp_path: Path,
    described: dict[str, Any],
    keywords: tuple[str, ...],
    typed: str,
    side: str,
    screen: str,
) -> None:
    width, height = SCREENS[screen]
    corpus = corpus_of(described["classes"], **{key: said for key, said in described.items() if key != "classes"})
    page = open_page(serve_corpus(corpus, keywords), viewport={"width": width, "height": height})
    page.fill("#text", typed)
    wait_for_words(page)
    page.screenshot(path=tmp_path / "page.png", full_page=True)

    assert page.inner_text("h1") == described["question"]
    assert page.inner_text("#winner") == described["classes"][0]
    for selector in ("h1", "#text", "#reading", "#classes", "#tries button"):
        assert page.eval_on_selector(selector, "e => getComputedStyle(e).direction") == side, selector
    assert page.get_attribute("#reading", "lang") == described["language"]
    assert page.text_content("#reading") == typed
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sideways(page) == []
    name, bar = (page.locator(f"#classes li:first-child > {each}").bounding_box() for each in ("[dir]", ".bar"))
    assert name is not None
    assert bar is not None
    if screen == "desktop":
        assert (name["x"] > bar["x"]) == (side == "rtl"), "names stand where a line begins"
    shares = page.locator("#classes .percent").all_inner_texts()
    assert all(re.fullmatch(r"[<>]? ?\d+ %", share) for share in shares)


def test_none_of_these_is_an_answer_of_a_model_that_abstains(
    open_page: OpenPage, serve_corpus: Callable[..., str], tmp_path: Path
) -> None:
    page = open_page(serve_corpus(corpus_of(["praise", "complaint"]), ("lovely", "broken"), abstains_below=0.8))
    page.fill("#text", "What is the time")
    wait_for_text(page, "#winner", "None of these")
    wait_for_words(page)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert page.inner_text("#sure") == "no class is likely enough"
    assert page.locator("#classes .first").count() == 0
    assert page.text_content("#spoken") == "None of these: no class is likely enough."

    page.fill("#text", "What a lovely day")
    wait_for_text(page, "#winner", "praise")
    assert page.locator("#classes .first").count() == 1


def test_all_classes_of_a_text_are_named_where_it_may_have_several(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_text(page, "#facts", "version")

    def answer(route: Route) -> None:
        both = "coach" in (route.request.post_data or "")
        row = {
            "label": "Sports",
            "labels": ["Sports", "Business"] if both else [],
            "probabilities": [0.1, 0.9, 0.8, 0.2] if both else [0.1, 0.3, 0.1, 0.1],
            "chosen": [False, both, both, False],
        }
        route.fulfill(status=200, json={"predictions": [row]})

    page.route("**/*:predict", answer)
    # As a model answers that has no such signature.
    refusal = {"error": 'Serving signature name: "explain" not found in signature def'}
    page.route("**/*:explain", lambda route: route.fulfill(status=400, json=refusal))
    page.fill("#text", "a coach buys shares")
    wait_for_text(page, "#winner", "Sports, Business")
    assert page.inner_text("#sure") == "2 classes are likely enough"
    assert page.locator("#classes .first").count() == 2

    page.fill("#text", "nothing of the kind")
    wait_for_text(page, "#winner", "None of these")
    assert page.locator("#classes .first").count() == 0
