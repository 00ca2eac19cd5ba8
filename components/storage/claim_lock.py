"""A lock for storages that let every writer succeed: each writes a file of its own, and the smallest name wins."""

from __future__ import annotations

import errno
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agnews.components.storage.files import Files

_LOGGER = logging.getLogger(__name__)

_PREFIX = ".claim-"
_AGE_SECONDS = 3600
_WAIT_SECONDS = 0.5


@contextmanager
def claim_lock(
    files: Files,
    folder: str,
    seconds: float,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Holds a folder while this process's claim is the only one there.

    Whoever sees another claim beside its own gives way if its own is the larger, and waits if it is the smaller. A
    claim is seen by all who list the folder after it was written, so two can't both have seen none but their own. This
    asks for a storage that lists what was written; a claim that its process left behind counts for an hour.

    Args:
        files: The storage.
        folder: What is locked.
        seconds: How long to wait for another one.
        clock: Seconds since 1970.
        sleep: Waits.

    Raises:
        TimeoutError: Another process holds it, or has the smaller claim.
    """
    name = f"{_PREFIX}{int(clock()):012d}-{secrets.token_hex(8)}"
    path = f"{folder}/{name}"
    files.write(path, [name.encode()])
    try:
        deadline = clock() + seconds
        while others := _living(files, folder, clock()) - {name}:
            if min(others) < name or clock() >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"{folder}/{min(others)} is held")
            sleep(_WAIT_SECONDS)
        yield
    finally:
        try:
            files.remove_file(path)
        except OSError as error:
            # What was done under the lock is done.
            _LOGGER.warning("The claim %s keeps others out for an hour: %s", path, error)


def _living(files: Files, folder: str, now: float) -> set[str]:
    found = set()
    for name in files.names(folder):
        if not name.startswith(_PREFIX):
            continue
        started = name.removeprefix(_PREFIX).partition("-")[0]
        if started.isdecimal() and now - int(started) > _AGE_SECONDS:
            files.remove_file(f"{folder}/{name}")
        else:
            found.add(name)
    return found
