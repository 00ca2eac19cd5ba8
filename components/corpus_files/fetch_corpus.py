"""Gets the official files of a corpus, or nothing: no file appears under its name before its digest is right."""

from __future__ import annotations

import fcntl
import os
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from agnews.components.corpus_files.require_usable import check_command
from agnews.components.storage.atomic_output import make_folders, sync_folder
from agnews.components.storage.explain_storage_errors import explain_storage_errors, storage_error
from agnews.components.storage.open_binary import sha256_of
from agnews.components.storage.resume_download import UnreachableError, resume_download
from agnews.schemas.corpus import Corpus, PublishedFile
from agnews.schemas.errors import AgnewsError, ExitCode

_AGENT = "agnews-data-fetch"
_ELSEWHERE = "name another folder"

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
    if not corpus.files.published:
        raise AgnewsError("Nobody publishes files of this corpus.", found=corpus.name, fix="Copy them into the folder.")
    with explain_storage_errors(f"writing {folder}", elsewhere=_ELSEWHERE):
        make_folders(folder)
    fetched = []
    for name, published in corpus.files.published.items():
        url = f"{base_url.rstrip('/')}/{name}" if base_url else published.url
        if not url.startswith(("http://", "https://")):
            raise AgnewsError("Files are fetched over HTTP or HTTPS only.", found=url, fix="Copy local files by hand.")
        download = _Download(corpus.name, name, url, published, folder, on_progress or (lambda *_: None))
        fetched.append(download.run(attempts, wait_seconds))
    return fetched


class _Download:
    """One file on its way."""

    def __init__(
        self, corpus: str, name: str, url: str, published: PublishedFile, folder: Path, on_progress: OnProgress
    ) -> None:
        self._corpus = corpus
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
            raise storage_error(error, f"writing {self._target.parent}", elsewhere=_ELSEWHERE) from error

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
        """Downloads what is missing of the file."""
        try:
            self._downloaded += resume_download(
                self._url,
                part,
                agent=_AGENT,
                on_progress=partial(self._on_progress, self._name),
                attempts=attempts,
                wait_seconds=wait_seconds,
            )
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except UnreachableError as problem:
            raise self._unreachable(problem) from problem

    def _refused(self, error: urllib.error.HTTPError) -> AgnewsError:
        return AgnewsError(
            f"The server does not give out {self._name}.",
            found=f"HTTP {error.code} {error.reason} for {self._url}",
            fix=f"Name a mirror with --base-url URL, or {self._by_hand()}",
        )

    def _unreachable(self, problem: UnreachableError) -> AgnewsError:
        return AgnewsError(
            f"{self._name} could not be fetched: no network, or the server does not answer.",
            found=f"{problem} ({self._url})",
            fix=f"Run the same command again, it goes on where it stopped; or {self._by_hand()}",
            exit_code=ExitCode.FAILED,
        )

    def _by_hand(self) -> str:
        folder = self._target.parent
        return f"copy the files by hand into {folder} and run `{check_command(self._corpus, str(folder))}`."

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
        sync_folder(self._target.parent)

    def _result(self) -> FetchedFile:
        size = self._target.stat().st_size
        return FetchedFile(self._name, self._target, self._published.sha256, size, self._downloaded)
