"""One file over HTTP, in as many attempts as it takes."""

from __future__ import annotations

import http
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from agnews.schemas.errors import AgnewsError, ExitCode

OnProgress = Callable[[str, int, int | None], None]
"""Called with the name of a file, bytes so far, and bytes in all or None where that is not known."""

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 30.0
_AGENT = "agnews-encoder-fetch"
_MAY_PASS = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)


class _TransientError(Exception):
    """The connection failed in a way that may pass."""


def download(
    url: str,
    target: Path,
    *,
    token: str = "",
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
    wait_seconds: float = 0.5,
) -> None:
    """Downloads a file, unless it is there. What a call that was cut got of it is not fetched again.

    Args:
        url: Its address, http or https. What it stands for must not change while the download is cut.
        target: Where to. Until it is whole, the file has the name with `.part` behind it.
        token: Sent as a bearer token to the host of the address, and to no host that this one refers to.
        on_progress: Told after each piece.
        attempts: Tries without any progress in between.
        wait_seconds: Wait before the second try; it doubles from try to try.

    Raises:
        AgnewsError: The network or the server does not answer, or the server refuses.
    """
    if target.exists():
        return
    part = target.with_name(f"{target.name}.part")
    part.touch()
    failures = 0
    while True:
        before = part.stat().st_size
        try:
            _receive(url, part, token, lambda done, total: on_progress(target.name, done, total))
            break
        except _TransientError as error:
            failures = 1 if part.stat().st_size > before else failures + 1
            if failures >= attempts:
                raise unreachable(url, error) from error
            time.sleep(wait_seconds * 2 ** (failures - 1))
    part.replace(target)


def unreachable(url: str, error: Exception) -> AgnewsError:
    """Makes the error for a network or a server that does not answer."""
    return AgnewsError(
        "The encoder could not be fetched: no network, or the server does not answer.",
        found=f"{getattr(error, 'reason', None) or error} ({url})",
        fix="Run the same command again; or fetch on a machine that has a network, copy the folder that it names, and "
        "use the path of the folder as the encoder.",
        exit_code=ExitCode.FAILED,
    )


def refused(url: str, error: urllib.error.HTTPError) -> AgnewsError:
    """Makes the error for a server that answers and does not give."""
    return AgnewsError(
        "The server does not give out this encoder.",
        found=f"HTTP {error.code} {error.reason} for {url}",
        fix="Check the name. If the encoder is private or needs consent, set HF_TOKEN to a token that may read it.",
    )


def _receive(url: str, part: Path, token: str, on_progress: Callable[[int, int | None], None]) -> None:
    start = part.stat().st_size
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - callers hand over http(s) only
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            continues = response.status == http.HTTPStatus.PARTIAL_CONTENT
            done = start if continues else 0
            length = response.headers.get("Content-Length", "")
            total = done + int(length) if length.isdecimal() else None
            with part.open("ab" if continues else "wb") as file:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    on_progress(done, total)
    except urllib.error.HTTPError as error:
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # All of it is here already, or more than there is; its digest will tell.
        if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _MAY_PASS:
            raise refused(url, error) from error
        raise _TransientError(f"HTTP {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _TransientError(str(getattr(error, "reason", None) or error)) from error
    # Python does not report a body that ends before its announced length when it is read in pieces.
    if total is not None and done < total:
        raise _TransientError(f"the connection closed after {done} of {total} bytes")
