"""Gets the official files of a corpus, or nothing: no file appears under its name before its digest is right."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agnews.components.corpus_files.digest import sha256_of
from agnews.schemas.corpus import Corpus, PublishedFile
from agnews.schemas.errors import AgnewsError, ExitCode

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30.0
_LONGEST_WAIT = 30.0
_AGENT = "agnews-data-fetch"
_RANGE_HONOURED, _RANGE_BEYOND = 206, 416

OnProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class FetchedFile:
    """A file that is now in the folder.

    Attributes:
        name: Name of the file.
        path: Where it is.
        sha256: Its digest, the published one.
        size: Bytes.
        downloaded: Bytes that came over the network for it now; 0 if it was there already.
    """

    name: str
    path: Path
    sha256: str
    size: int
    downloaded: int


class _TransientError(Exception):
    """The connection failed in a way that may pass."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch_corpus(
    corpus: Corpus,
    folder: Path,
    *,
    base_url: str | None = None,
    attempts: int = 5,
    wait_seconds: float = 0.5,
    on_progress: OnProgress | None = None,
) -> list[FetchedFile]:
    """Downloads the files that are missing.

    A download that was cut goes on where it stopped, in this call or in a later one. A file that is there already is
    never replaced: with the right digest it is left alone, with another one it is an error.

    Args:
        corpus: Which files, from where, with which digests.
        folder: Where to; it is made if it is missing.
        base_url: A mirror: the files are taken from `base_url/NAME` instead of their published addresses.
        attempts: Tries a file without any progress in between.
        wait_seconds: Wait before the second try; it doubles from try to try.
        on_progress: Called with name, bytes so far, and bytes in all or None where that is not known.

    Returns:
        The files, in the order of the corpus.

    Raises:
        AgnewsError: The corpus has no published files, the folder cannot be written, the network does not answer, the
            server refuses, or a file has another digest than the published one.
    """
    if not corpus.published:
        raise AgnewsError("Nobody publishes files of this corpus.", found=corpus.name, fix="Copy them into the folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(error, folder) from error
    fetched = []
    for name, published in corpus.published.items():
        url = f"{base_url.rstrip('/')}/{name}" if base_url else published.url
        if not url.startswith(("http://", "https://")):
            raise AgnewsError("Files are fetched over HTTP or HTTPS only.", found=url, fix="Copy local files by hand.")
        download = _Download(name, url, published, folder, on_progress or (lambda *_: None))
        fetched.append(download.run(attempts, wait_seconds))
    return fetched


class _Download:
    """One file on its way."""

    def __init__(self, name: str, url: str, published: PublishedFile, folder: Path, on_progress: OnProgress) -> None:
        self._name = name
        self._url = url
        self._published = published
        self._target = folder / name
        self._part = folder / f".{name}.part"
        self._on_progress = on_progress
        self._downloaded = 0

    def run(self, attempts: int, wait_seconds: float) -> FetchedFile:
        if self._target.exists():
            return self._already_there()
        try:
            with self._part.open("ab") as part:
                self._lock(part)
                try:
                    return self._run_locked(part, attempts, wait_seconds)
                finally:
                    if self._part.exists() and not part.tell():
                        self._part.unlink()
        except OSError as error:
            raise _not_written(error, self._target.parent) from error

    def _run_locked(self, part: IO[bytes], attempts: int, wait_seconds: float) -> FetchedFile:
        if self._target.exists():
            # Another process had the lock until now, and has finished.
            return self._already_there()
        resumed = part.tell() > 0
        self._fill(part, attempts, wait_seconds)
        if resumed and self._digest(part) != self._published.sha256:
            # What was kept from another day may be the beginning of another version of the file.
            part.truncate(0)
            self._fill(part, attempts, wait_seconds)
        self._finish(part)
        return self._result()

    def _already_there(self) -> FetchedFile:
        found = sha256_of(str(self._target))
        if found != self._published.sha256:
            raise AgnewsError(
                f"There is another file named {self._name} already, and it is left as it is.",
                found=f"{self._target} with sha256 {found}, published is {self._published.sha256}",
                fix="Name another folder, or move that file away.",
            )
        self._on_progress(self._name, self._target.stat().st_size, self._target.stat().st_size)
        return self._result()

    def _lock(self, part: IO[bytes]) -> None:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AgnewsError(
                "Another process is fetching this file.",
                found=self._part,
                fix="Wait for it to end.",
                exit_code=ExitCode.LOCKED,
            ) from error

    def _fill(self, part: IO[bytes], attempts: int, wait_seconds: float) -> None:
        """Downloads what is missing of the file, with new tries as long as they get further."""
        failures = 0
        while True:
            before = part.tell()
            try:
                return self._receive(part)
            except _TransientError as problem:
                failures = 1 if part.tell() > before else failures + 1
                if failures >= attempts:
                    raise self._unreachable(problem) from problem
                wait = problem.wait if problem.wait is not None else wait_seconds * 2 ** (failures - 1)
                time.sleep(min(wait, _LONGEST_WAIT))

    def _receive(self, part: IO[bytes]) -> None:
        start = part.seek(0, os.SEEK_END)
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
                if start and not _continues_at(response, start):
                    part.truncate(0)
                    start = part.seek(0)
                self._copy(response, part, start)
        except urllib.error.HTTPError as error:
            if error.code == _RANGE_BEYOND:
                # All of it is here already, or more than there is; the digest will tell.
                return
            raise self._refused(error) from error
        except urllib.error.URLError as error:
            raise _TransientError(str(error.reason)) from error
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            raise _TransientError(str(error) or type(error).__name__) from error

    def _copy(self, response: http.client.HTTPResponse, part: IO[bytes], start: int) -> None:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None and length.isdecimal() else None
        done = start
        self._on_progress(self._name, done, total)
        while chunk := response.read(_CHUNK):
            part.write(chunk)
            done += len(chunk)
            self._downloaded += len(chunk)
            self._on_progress(self._name, done, total)
        part.flush()
        # Python does not report a body that ends before its announced length when it is read in pieces.
        if total is not None and done < total:
            raise _TransientError(f"the connection closed after {done} of {total} bytes")

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        if error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code in (
            http.HTTPStatus.REQUEST_TIMEOUT,
            http.HTTPStatus.TOO_MANY_REQUESTS,
        ):
            after = error.headers.get("Retry-After", "")
            return _TransientError(f"HTTP {error.code} {error.reason}", float(after) if after.isdecimal() else None)
        return AgnewsError(
            f"The server does not give out {self._name}.",
            found=f"HTTP {error.code} {error.reason} for {self._url}",
            fix=f"Name a mirror with --base-url URL, or {self._by_hand()}",
        )

    def _unreachable(self, problem: _TransientError) -> AgnewsError:
        return AgnewsError(
            f"{self._name} could not be fetched: no network, or the server does not answer.",
            found=f"{problem} ({self._url})",
            fix=f"Run the same command again, it goes on where it stopped; or {self._by_hand()}",
            exit_code=ExitCode.FAILED,
        )

    def _by_hand(self) -> str:
        folder = self._target.parent
        return f"copy the files by hand into {folder} and run `agnews data check {folder}`."

    def _digest(self, part: IO[bytes]) -> str:
        part.flush()
        return sha256_of(str(self._part))

    def _finish(self, part: IO[bytes]) -> None:
        found = self._digest(part)
        if found != self._published.sha256:
            rejected = self._part.with_name(f"{self._name}.rejected")
            self._part.replace(rejected)
            raise AgnewsError(
                f"What came for {self._name} is not the published file; it was put aside.",
                found=f"{rejected} with sha256 {found}, published is {self._published.sha256}",
                fix=f"Look at what the server sent; name a mirror with --base-url URL, or {self._by_hand()}",
                exit_code=ExitCode.FAILED,
            )
        os.fsync(part.fileno())
        self._part.replace(self._target)

    def _result(self) -> FetchedFile:
        size = self._target.stat().st_size
        return FetchedFile(self._name, self._target, self._published.sha256, size, self._downloaded)


def _continues_at(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == _RANGE_HONOURED and response.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )


def _not_written(error: OSError, folder: Path) -> AgnewsError:
    if error.errno == errno.ENOSPC:
        return AgnewsError("The disk is full.", found=folder, fix="Free some space, then run the same command again.")
    return AgnewsError(
        "The folder cannot be written.",
        found=f"{folder}: {error.strerror or error}",
        fix="Name a folder that you may write to.",
    )
