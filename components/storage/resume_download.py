"""The rest of one file over HTTPS, in as many attempts as it takes, and within limits."""

from __future__ import annotations

import http
import http.client
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.hide_credentials import hide_credentials

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30.0
_LONGEST_WAIT = 30.0
_DEADLINE_SECONDS = 6 * 3600.0
_SPEED_SECONDS = 60.0
_LEAST_SPEED = 1024.0
"""Bytes a second, on average over `_SPEED_SECONDS`: what is slower has stalled, however regularly a byte comes."""
MOST_BYTES = 32 << 30
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_MAY_PASS = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)

_OnProgress = Callable[[int, int | None], None]
_AUTHORIZATION = "Authorization"


class UnreachableError(Exception):
    """No network, or a server that does not answer or answers with errors of its own; the message says which."""


class _TransientError(UnreachableError):
    """The connection failed in a way that may pass."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _StalledError(_TransientError):
    """It goes on, too slowly to count as progress."""


def resume_download(
    url: str,
    file: IO[bytes],
    *,
    agent: str,
    token: str = "",
    on_progress: _OnProgress = lambda *_: None,
    attempts: int,
    wait_seconds: float,
    expected_bytes: int | None = None,
    most_bytes: int = MOST_BYTES,
    deadline_seconds: float = _DEADLINE_SECONDS,
) -> int:
    """Appends to a file what is missing of it. What cannot be continued is begun anew.

    Whether the bytes are the right ones is for the caller to check: what was there may be of another file.

    Args:
        url: Its address, https; http on this machine alone. So are the places that it refers to.
        file: Open for appending, empty or with the beginning of the content.
        agent: Name that the server is told.
        token: Sent as a bearer token to the scheme, host and port of the address, also where those refer to another
            path of theirs, and to nobody else that they refer to.
        on_progress: Called with bytes so far, and bytes in all or None where that is not known.
        attempts: Tries without any progress in between.
        wait_seconds: Wait before the second try; it doubles from try to try. A server may ask for another one.
        expected_bytes: Size of the whole file, where somebody has announced it; another one is refused.
        most_bytes: Size at which the download ends, where nobody has.
        deadline_seconds: Seconds for all tries together.

    Returns:
        Bytes that came over the network.

    Raises:
        UnreachableError: The tries or the seconds are used up.
        urllib.error.HTTPError: The server refuses, in a way that does not pass.
        AgnewsError: The address or one that it refers to is not safe, or the file is larger than it may be.
    """
    require_safe_address(url)
    deadline = time.monotonic() + deadline_seconds
    transfer = _Transfer(url, file, agent, token, on_progress, _Limits(expected_bytes, most_bytes, deadline))
    failures = 0
    while True:
        before = file.tell()
        try:
            transfer.receive()
            return transfer.received
        except _TransientError as problem:
            progress = file.tell() > before and not isinstance(problem, _StalledError)
            failures = 1 if progress else failures + 1
            if failures >= attempts:
                raise
            wait = problem.wait if problem.wait is not None else wait_seconds * 2 ** (failures - 1)
            time.sleep(min(wait, _LONGEST_WAIT))


def require_safe_address(url: str) -> None:
    """Refuses an address whose content others on the way could read or replace.

    Args:
        url: The address.

    Raises:
        AgnewsError: It is neither https nor http on this machine.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        scheme, host = parts.scheme, parts.hostname
        _ = parts.port  # Raises where it is no number.
    except ValueError:
        scheme, host = "", None
    if (scheme == "https" and host) or (scheme == "http" and host in THIS_MACHINE):
        return
    raise AgnewsError(
        "Files are fetched over HTTPS only: over HTTP, others on the way could read and replace them.",
        found=hide_credentials(url[:500]),
        fix="Use an address with https://, or copy the files by hand.",
    )


@dataclass(frozen=True)
class _Limits:
    expected: int | None
    most: int
    deadline: float

    def check_size(self, size: int, url: str) -> None:
        """Stops what is longer than it may be, before more of it comes."""
        limit = self.most if self.expected is None else self.expected
        if size > limit:
            raise AgnewsError(
                "The server sends more than it should.",
                found=f"{size:,} bytes or more of {hide_credentials(url)}, "
                f"{'announced are' if self.expected is not None else 'the limit is'} {limit:,}",
                fix="Look at what the server sends; if the file is right, copy it by hand.",
                exit_code=ExitCode.FAILED,
            )

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise UnreachableError("the whole download took too long; what came is kept, and the next call goes on")


class _KeepToken(urllib.request.HTTPRedirectHandler):
    """Follows references, with the token only to where it came from: the hub moves names of models on itself.

    None leads from https to http, or to another protocol.
    """

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        require_safe_address(newurl)
        if _origin(req.full_url)[0] == "https" and _origin(newurl)[0] != "https":
            raise AgnewsError(
                "The server refers from HTTPS to HTTP, where others on the way could read and replace what comes.",
                found=f"{hide_credentials(req.full_url)} refers to {hide_credentials(newurl)}",
                fix="Use another address or mirror, or copy the files by hand.",
                exit_code=ExitCode.FAILED,
            )
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get(_AUTHORIZATION)
        if request is not None and token and _origin(newurl) == _origin(req.full_url):
            request.add_unredirected_header(_AUTHORIZATION, token)
        return request


_PORTS = {"http": 80, "https": 443}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


_OPENER = urllib.request.build_opener(_KeepToken)


class _Speed:
    """Ends a transfer that trickles: each byte in time, and never done."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def check(self, count: int) -> None:
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds < _SPEED_SECONDS:
            return
        if self._bytes < _LEAST_SPEED * seconds:
            raise _StalledError(f"{self._bytes} bytes in {seconds:.0f} seconds, which leads nowhere")
        self._since, self._bytes = time.monotonic(), 0


class _Transfer:
    """One file on its way."""

    def __init__(
        self, url: str, file: IO[bytes], agent: str, token: str, on_progress: _OnProgress, limits: _Limits
    ) -> None:
        self.received = 0
        self._url = url
        self._file = file
        self._agent = agent
        self._token = token
        self._on_progress = on_progress
        self._limits = limits

    def receive(self) -> None:
        self._limits.check_time()
        start = self._file.seek(0, os.SEEK_END)
        try:
            with _OPENER.open(self._request(start), timeout=_TIMEOUT_SECONDS) as response:
                if start and not _continues_at(response, start):
                    self._file.truncate(0)
                    start = self._file.seek(0)
                self._copy(response, start)
        except urllib.error.HTTPError as error:
            if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return  # All of it is here already, or more than there is; its digest will tell.
            if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _MAY_PASS:
                raise
            after = error.headers.get("Retry-After", "")
            wait = float(after) if after.isdecimal() else None
            raise _TransientError(f"HTTP {error.code} {error.reason}", wait) from error
        except urllib.error.URLError as error:
            raise _TransientError(str(error.reason)) from error
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            raise _TransientError(str(error) or type(error).__name__) from error

    def _request(self, start: int) -> urllib.request.Request:
        headers = {"User-Agent": self._agent, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - callers hand over http(s) only
        if self._token:
            request.add_unredirected_header(_AUTHORIZATION, f"Bearer {self._token}")
        return request

    def _copy(self, response: http.client.HTTPResponse, start: int) -> None:
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        if total is not None:
            self._limits.check_size(total, self._url)
        done = start
        self._on_progress(done, total)
        speed = _Speed()
        # read1 hands over what is there: read would wait for all of a piece while a server trickles.
        while chunk := response.read1(_CHUNK):
            self._limits.check_size(done + len(chunk), self._url)
            self._limits.check_time()
            self._file.write(chunk)
            done += len(chunk)
            self.received += len(chunk)
            self._on_progress(done, total)
            speed.check(len(chunk))
        self._file.flush()
        expected = self._limits.expected
        if total is None and expected is not None and done < expected:
            raise _TransientError(f"the connection closed after {done} of {expected} bytes")
        # Python does not report a body that ends before its announced length when it is read in pieces.
        if total is not None and done < total:
            raise _TransientError(f"the connection closed after {done} of {total} bytes")


def _continues_at(response: http.client.HTTPResponse, start: int) -> bool:
    wanted = f"bytes {start}-"
    # Some servers do not say which part it is that they send; the digest will tell if it is another one.
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and response.headers.get(
        "Content-Range", wanted
    ).startswith(wanted)
