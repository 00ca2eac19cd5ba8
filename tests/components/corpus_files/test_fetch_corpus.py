from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agnews.components.corpus_files.fetch_corpus import FetchedFile, fetch_corpus
from agnews.schemas.corpus import Corpus, Files, PublishedFile
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError, ExitCode

CONTENT = {"train.csv": bytes(range(256)) * 2_000, "test.csv": b'"1","a","b"\n' * 1_000}


@dataclass
class Site:
    """A server on the loopback and how it misbehaves."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: dict(CONTENT))
    ranges: bool = True
    """Whether it honours Range."""
    cut_after: list[int] = field(default_factory=list)
    """For each request to come, after how many bytes of the body the connection dies."""
    errors: list[int] = field(default_factory=list)
    """For each request to come, the status it gets instead."""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""


def handler_for(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.seen.append((self.path, wanted))
            body = site.files.get(self.path.removeprefix("/data/"))
            if site.errors:
                self.send_error(site.errors.pop(0))
                return
            if body is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end = start + site.cut_after.pop(0) if site.cut_after else len(body)
            self.wfile.write(body[start:end])

        def log_message(self, *args: object) -> None:
            """Stays silent."""

    return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(site))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/data"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def corpus() -> Corpus:
    published = {
        name: PublishedFile(url="http://127.0.0.1:9/", sha256=hashlib.sha256(data).hexdigest(), size=None, rows=0)
        for name, data in CONTENT.items()
    }
    return packaged_corpus().model_copy(update={"files": Files(published=published)})


def fetch(corpus: Corpus, folder: Path, site: Site, attempts: int = 4) -> list[FetchedFile]:
    return fetch_corpus(corpus, folder, base_url=site.url, attempts=attempts, wait_seconds=0.01)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_downloads_both_files_and_reports_progress(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    folder = tmp_path / "new" / "data"
    files = fetch_corpus(corpus, folder, base_url=site.url, on_progress=lambda *call: calls.append(call))
    assert {file.name: file.path.read_bytes() for file in files} == CONTENT
    assert [(file.size, file.downloaded) for file in files] == [(512_000, 512_000), (12_000, 12_000)]
    assert names(folder) == ["test.csv", "train.csv"]
    assert calls[0] == ("train.csv", 0, 512_000)
    assert ("train.csv", 512_000, 512_000) in calls


def test_a_second_call_asks_the_network_for_nothing(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    fetch(corpus, tmp_path, site)
    before = len(site.seen)
    assert [file.downloaded for file in fetch(corpus, tmp_path, site)] == [0, 0]
    assert len(site.seen) == before


def test_a_cut_connection_goes_on_where_it_stopped(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    site.cut_after = [200_000, 100_000]
    (train, _) = fetch(corpus, tmp_path, site)
    assert train.path.read_bytes() == CONTENT["train.csv"]
    assert train.downloaded == 512_000
    assert [wanted for path, wanted in site.seen if "train" in path] == [None, "bytes=200000-", "bytes=300000-"]


def test_a_server_without_ranges_begins_anew(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.cut_after = [200_000]
    (train, _) = fetch(corpus, tmp_path, site)
    assert train.path.read_bytes() == CONTENT["train.csv"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    site.cut_after = [150_000]
    site.files.pop("test.csv")
    with pytest.raises(AgnewsError):
        fetch(corpus, tmp_path, site, attempts=1)
    assert names(tmp_path) == [".train.csv.part"]
    site.files["test.csv"] = CONTENT["test.csv"]
    (train, _) = fetch(corpus, tmp_path, site)
    assert train.downloaded == 512_000 - 150_000
    assert names(tmp_path) == ["test.csv", "train.csv"]


def test_a_complete_download_that_was_not_renamed_is_used(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    (tmp_path / ".train.csv.part").write_bytes(CONTENT["train.csv"])
    (train, _) = fetch(corpus, tmp_path, site)
    assert train.downloaded == 0
    assert train.path.read_bytes() == CONTENT["train.csv"]


@pytest.mark.parametrize("length", [100_000, 600_000])
def test_leftovers_of_another_version_are_thrown_away(corpus: Corpus, site: Site, tmp_path: Path, length: int) -> None:
    (tmp_path / ".train.csv.part").write_bytes(b"x" * length)
    (train, _) = fetch(corpus, tmp_path, site)
    assert train.path.read_bytes() == CONTENT["train.csv"]


def test_a_wrong_digest_never_gets_the_files_name(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    site.files["train.csv"] = b"something else"
    with pytest.raises(AgnewsError, match="not the published file") as caught:
        fetch(corpus, tmp_path, site)
    assert caught.value.exit_code == ExitCode.FAILED
    assert hashlib.sha256(b"something else").hexdigest() in str(caught.value)
    assert corpus.files.published["train.csv"].sha256 in str(caught.value)
    assert names(tmp_path) == ["train.csv.rejected"]


def test_another_file_of_that_name_is_never_replaced(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"rows of my own")
    with pytest.raises(AgnewsError, match="another file named"):
        fetch(corpus, tmp_path, site)
    assert (tmp_path / "train.csv").read_bytes() == b"rows of my own"
    assert site.seen == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_told_at_once(corpus: Corpus, site: Site, tmp_path: Path, status: int) -> None:
    site.errors = [status]
    with pytest.raises(AgnewsError, match="does not give out") as caught:
        fetch(corpus, tmp_path, site)
    assert f"HTTP {status}" in str(caught.value)
    assert "--base-url" in caught.value.fix
    assert len(site.seen) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_waited_out(corpus: Corpus, site: Site, tmp_path: Path, status: int) -> None:
    site.errors = [status, status]
    fetch(corpus, tmp_path, site)
    assert names(tmp_path) == ["test.csv", "train.csv"]


def test_trouble_that_stays_ends_the_tries(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    site.errors = [500] * 10
    with pytest.raises(AgnewsError, match="HTTP 500"):
        fetch(corpus, tmp_path, site)
    assert len(site.seen) == 4


def test_offline_says_what_to_do(corpus: Corpus, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(AgnewsError, match="no network") as caught:
        fetch_corpus(corpus, tmp_path, base_url=url, attempts=2, wait_seconds=0.01)
    assert f"copy the files by hand into {tmp_path}" in caught.value.fix
    assert f"agnews corpus check {tmp_path}" in caught.value.fix
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_error(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AgnewsError, match="failed while writing"):
        fetch(corpus, tmp_path / "file" / "data", site)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    (tmp_path / ".train.csv.part").symlink_to("/dev/full")
    with pytest.raises(AgnewsError, match="disk is full"):
        fetch(corpus, tmp_path, site)


def test_two_processes_do_not_write_the_same_file(corpus: Corpus, site: Site, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / ".train.csv.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AgnewsError, match="Another process") as caught:
            fetch(corpus, tmp_path, site)
    assert caught.value.exit_code == ExitCode.LOCKED


def test_only_http_is_spoken(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="HTTP or HTTPS only"):
        fetch_corpus(corpus, tmp_path, base_url="file:///etc")


def test_a_corpus_that_nobody_publishes_cannot_be_fetched(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="Nobody publishes"):
        fetch_corpus(corpus.model_copy(update={"files": Files()}), tmp_path)
