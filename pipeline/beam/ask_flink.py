"""Asks Flink's JobManager by its REST interface."""

from __future__ import annotations

import urllib.request


def ask_flink(master: str, path: str, *, seconds: float, method: str = "GET") -> bytes:
    """Asks.

    Args:
        master: HOST:PORT of the interface.
        path: What is asked for, from `/` on.
        seconds: The longest wait for each part of an answer.
        method: `PATCH` changes something.

    Returns:
        The body of the answer.

    Raises:
        OSError: Nobody answers, or with an error.
        ValueError: The address is none.
    """
    # A proxy of the environment is none for addresses of an engine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"http://{master}{path}", method=method), timeout=seconds) as answer:
        return bytes(answer.read())
