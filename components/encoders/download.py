"""One file of an encoder over HTTP."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path

from agnews.components.storage.resume_download import MOST_BYTES, UnreachableError, resume_download
from agnews.schemas.errors import AgnewsError, ExitCode

OnProgress = Callable[[str, int, int | None], None]
"""Called with the name of a file, bytes so far, and bytes in all or None where that is not known."""

_AGENT = "agnews-encoder-fetch"


def download(
    url: str,
    target: Path,
    *,
    token: str = "",
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
    wait_seconds: float = 0.5,
    expected_bytes: int | None = None,
    most_bytes: int = MOST_BYTES,
) -> None:
    """Downloads a file, unless it is there. What a call that was cut got of it is not fetched again.

    Args:
        url: Its address; see `resume_download`. What it stands for must not change while the download is cut.
        target: Where to. Until it is whole, the file has the name with `.part` behind it.
        token: See `resume_download`.
        on_progress: Told after each piece.
        attempts: Tries without any progress in between.
        wait_seconds: Wait before the second try; it doubles from try to try.
        expected_bytes: Size that was announced; None where none was.
        most_bytes: Size at which it ends where none was announced.

    Raises:
        AgnewsError: The network or the server does not answer, the server refuses, or sends more than it should.
    """
    if target.exists():
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("ab") as file:
            resume_download(
                url,
                file,
                agent=_AGENT,
                token=token,
                on_progress=partial(on_progress, target.name),
                attempts=attempts,
                wait_seconds=wait_seconds,
                expected_bytes=expected_bytes,
                most_bytes=most_bytes,
            )
    except urllib.error.HTTPError as error:
        raise refused(url, error) from error
    except UnreachableError as error:
        raise unreachable(url, error) from error
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
