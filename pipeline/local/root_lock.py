"""One process at a time works in a root folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import filelock

from agnews.schemas.errors import AgnewsError, ExitCode


@contextmanager
def root_lock(path: Path, purpose: str) -> Iterator[None]:
    """Holds the lock of a root folder; the operating system frees it however the process ends.

    Args:
        path: The lock file.
        purpose: What the holder does, for the message that a second process gets.

    Yields:
        Nothing; the lock is held inside.

    Raises:
        AgnewsError: Another process holds it; the message says which and since when.
    """
    holder = path.with_suffix(".json")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise AgnewsError(
            f"Another process works in {path.parent}.",
            found=_describe(holder),
            fix="Wait until it ends, or give this run a folder of its own with --root DIR.",
            exit_code=ExitCode.LOCKED,
        ) from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": since}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text())
        return f"process {facts['pid']} ({facts['purpose']}), since {facts['since']}"
    except (OSError, ValueError, KeyError):
        # The other process is just starting or ending: the lock is certain, the description is not.
        return "a process that has not said who it is"
