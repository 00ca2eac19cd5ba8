from __future__ import annotations

import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agnews.components.storage import resume_download as module
from agnews.components.storage.resume_download import UnreachableError, require_safe_address, resume_download
from agnews.schemas.errors import AgnewsError

CONTENT = bytes(range(256)) * 1_000


@dataclass
class Answer:
    """One answer of the server: its status, its headers, and its body in pieces that take so many seconds each."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    piece: int = 1 << 30
    seconds: float = 0.0


@dataclass
class Site:
    """A server on the loopback that gives one answer after the other."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=lambda: [1000.0])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    monkeypatch.setattr(module.time, "sleep", site.waits.append)
    monkeypatch.setattr(module.time, "monotonic", lambda: site.clock[0])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.seen.append(dict(self.headers))
            answer = site.answers.pop(0)
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(answer.body), answer.piece):
                self.wfile.write(answer.body[start : start + answer.piece])
                if answer.seconds:
                    threading.Event().wait(0.02)  # The piece is read before the clock goes on.
                    site.clock[0] += answer.seconds

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/file"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def receive(site: Site, path: Path, **options: Any) -> int:
    with path.open("ab") as file:
        return resume_download(site.url, file, agent="test", attempts=4, wait_seconds=0.5, **options)


def whole() -> Answer:
    return Answer(200, body=CONTENT)


def cut(count: int) -> Answer:
    return Answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:count])


def test_the_wait_doubles_until_there_is_progress(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(500), Answer(503), cut(1_000), Answer(500), Answer(408), whole()]
    assert receive(site, tmp_path / "file") == 1_000 + len(CONTENT)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.waits == [0.5, 1.0, 0.5, 1.0, 2.0]


def test_a_server_may_ask_for_a_wait_but_not_for_any(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(429, {"Retry-After": "7"}), Answer(503, {"Retry-After": "86400"}), whole()]
    receive(site, tmp_path / "file")
    assert site.waits == [7.0, 30.0]


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "bytes 1000-255999/256000"}])
def test_only_what_is_missing_is_fetched(site: Site, tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:1_000])
    site.answers = [Answer(206, headers, CONTENT[1_000:])]
    assert receive(site, tmp_path / "file") == len(CONTENT) - 1_000
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.seen[0]["Range"] == "bytes=1000-"


def test_another_part_than_the_missing_one_is_not_appended(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:1_000])
    site.answers = [Answer(206, {"Content-Range": "bytes 0-255999/256000"}, CONTENT)]
    receive(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_never_gets_further_ends_the_tries(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(1_000) for _ in range(9)]
    with pytest.raises(UnreachableError, match="closed after 1000 of 256000 bytes"):
        receive(site, tmp_path / "file")
    assert len(site.seen) == 4


def test_a_refusal_is_told_at_once(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(403)]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        receive(site, tmp_path / "file")
    assert site.waits == []


@pytest.mark.parametrize(
    ("scheme", "host", "token"),
    [("", "", "Bearer secret"), ("http://", "127.0.0.1", "Bearer secret"), ("http://", "localhost", None)],
)
def test_a_token_goes_to_the_place_of_the_address_only(
    scheme: str, host: str, token: str | None, site: Site, tmp_path: Path
) -> None:
    port = site.url.split(":")[2].partition("/")[0]
    place = f"{scheme}{host}:{port}" if host else ""
    site.answers = [Answer(307, {"Location": f"{place}/moved"}), whole()]
    receive(site, tmp_path / "file", token="secret")
    assert [each.get("Authorization") for each in site.seen] == ["Bearer secret", token]


def test_a_token_does_not_come_back_by_way_of_another_place(site: Site, tmp_path: Path) -> None:
    elsewhere = site.url.replace("127.0.0.1", "localhost")
    site.answers = [Answer(307, {"Location": elsewhere}), Answer(307, {"Location": site.url}), whole()]
    receive(site, tmp_path / "file", token="secret")
    assert [each.get("Authorization") for each in site.seen] == ["Bearer secret", None, None]


def test_another_port_or_scheme_is_another_place() -> None:
    assert module._origin("https://hub/a") == module._origin("https://HUB:443/b?c")
    assert len({module._origin(url) for url in ("http://hub/a", "https://hub/a", "https://hub:8443/a")}) == 3


def test_more_than_was_announced_is_not_taken_in(site: Site, tmp_path: Path) -> None:
    site.answers = [whole()]
    with pytest.raises(AgnewsError, match=r"sends more than it should(?s:.*)256,000 bytes(?s:.*)announced are 255,999"):
        receive(site, tmp_path / "file", expected_bytes=255_999)
    assert (tmp_path / "file").stat().st_size == 0


def test_a_body_without_a_length_ends_at_the_limit(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(200, {"Content-Length": "none"}, CONTENT)]
    with pytest.raises(AgnewsError, match="the limit is 100,000"):
        receive(site, tmp_path / "file", most_bytes=100_000)
    assert (tmp_path / "file").stat().st_size <= 100_000


def test_a_body_without_a_length_that_is_cut_short_is_noticed(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(200, {"Content-Length": "none"}, CONTENT[:5_000]), Answer(206, {}, CONTENT[5_000:])]
    receive(site, tmp_path / "file", expected_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_trickles_is_given_up(site: Site, tmp_path: Path) -> None:
    # Five bytes each ten seconds: no read ever waits too long, and the file would take weeks.
    site.answers = [Answer(200, {"Content-Length": "none"}, CONTENT[:100], piece=5, seconds=10.0) for _ in range(4)]
    with pytest.raises(UnreachableError, match="which leads nowhere"):
        receive(site, tmp_path / "file")


def test_all_tries_together_have_a_deadline(site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(200, {"Content-Length": "256000"}, CONTENT[:200_000], piece=50_000, seconds=40.0)] * 9
    with pytest.raises(UnreachableError, match="took too long"):
        receive(site, tmp_path / "file", deadline_seconds=100.0)
    assert len(site.seen) == 1
    assert (tmp_path / "file").stat().st_size, "what came is kept"


@pytest.mark.parametrize(
    "url", ["http://hub.example/a", "ftp://hub.example/a", "file:///etc/passwd", "https:/a:b", "http://[", "//hub/a"]
)
def test_only_addresses_that_nobody_on_the_way_can_change_are_asked(url: str, tmp_path: Path) -> None:
    with (tmp_path / "file").open("ab") as file, pytest.raises(AgnewsError, match="HTTPS only"):
        resume_download(url, file, agent="test", attempts=1, wait_seconds=0.0)


@pytest.mark.parametrize(
    "to", ["http://hub.example/a", "ftp://hub.example/a", "https://hub.example:a/", "http://localhost:99999/a"]
)
def test_no_reference_leads_elsewhere(to: str, site: Site, tmp_path: Path) -> None:
    site.answers = [Answer(302, {"Location": to})]
    with pytest.raises(AgnewsError, match="HTTPS only"):
        receive(site, tmp_path / "file", token="secret")


def test_no_reference_leads_from_https_to_http() -> None:
    request = urllib.request.Request("https://hub.example/a")
    with pytest.raises(AgnewsError, match="refers from HTTPS to HTTP"):
        module._KeepToken().redirect_request(request, None, 302, "", {}, "http://127.0.0.1:80/a")
    require_safe_address("https://hub.example/a")
