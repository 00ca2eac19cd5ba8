"""The rest of one file over HTTP, in as many attempts as it takes."""

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
from typing import IO

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30.0
_LONGEST_WAIT = 30.0
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


def resume_download(
    url: str,
    file: IO[bytes],
    *,
    agent: str,
    token: str = "",
    on_progress: _OnProgress = lambda *_: None,
    attempts: int,
    wait_seconds: float,
) -> int:
    """Appends to a file what is missing of it. What cannot be continued is begun anew.

    Whether the bytes are the right ones is for the caller to check: what was there may be of another file.

    Args:
        url: Its address, http or https.
        file: Open for appending, empty or with the beginning of the content.
        agent: Name that the server is told.
        token: Sent as a bearer token to the scheme, host and port of the address, also where those refer to another
            path of theirs, and to nobody else that they refer to.
        on_progress: Called with bytes so far, and bytes in all or None where that is not known.
        attempts: Tries without any progress in between.
        wait_seconds: Wait before the second try; it doubles from try to try. A server may ask for another one.

    Returns:
        Bytes that came over the network.

    Raises:
        UnreachableError: The tries are used up.
        urllib.error.HTTPError: The server refuses, in a way that does not pass.
    """
    transfer = _Transfer(url, file, agent, token, on_progress)
    failures = 0
    while True:
        before = file.tell()
        try:
            transfer.receive()
            return transfer.received
        except _TransientError as problem:
            failures = 1 if file.tell() > before else failures + 1
            if failures >= attempts:
                raise
            wait = problem.wait if problem.wait is not None else wait_seconds * 2 ** (failures - 1)
            time.sleep(min(wait, _LONGEST_WAIT))


class _KeepToken(urllib.request.HTTPRedirectHandler):
    """Follows references, with the token only to where it came from: the hub moves names of models on itself."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
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


class _Transfer:
    """One file on its way."""

    def __init__(self, url: str, file: IO[bytes], agent: str, token: str, on_progress: _OnProgress) -> None:
        self.received = 0
        self._url = url
        self._file = file
        self._agent = agent
        self._token = token
        self._on_progress = on_progress

    def receive(self) -> None:
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
        done = start
        self._on_progress(done, total)
        while chunk := response.read(_CHUNK):
            self._file.write(chunk)
            done += len(chunk)
            self.received += len(chunk)
            self._on_progress(done, total)
        self._file.flush()
        # Python does not report a body that ends before its announced length when it is read in pieces.
        if total is not None and done < total:
            raise _TransientError(f"the connection closed after {done} of {total} bytes")


def _continues_at(response: http.client.HTTPResponse, start: int) -> bool:
    wanted = f"bytes {start}-"
    # Some servers do not say which part it is that they send; the digest will tell if it is another one.
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and response.headers.get(
        "Content-Range", wanted
    ).startswith(wanted)
