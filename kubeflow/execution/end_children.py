"""No process outlives its step."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

_BECOME_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes processes whose parent ends children of this one, as far as the system knows how (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)


def end_children(patience: float = 5.0) -> int:
    """Ends all processes that were started below this one.

    One that keeps standard output open, a server of a library for example, would hold the step although its work is
    done: Kubeflow's launcher reads the output of a step to its end.

    Args:
        patience: Seconds between asking and killing.

    Returns:
        How many there were.
    """
    found = _descendants()
    for process in found:
        _signal(process, signal.SIGTERM)
    end = time.monotonic() + patience
    while (left := _descendants()) and time.monotonic() < end:
        _reap()
        time.sleep(0.02)
    for process in left:
        _signal(process, signal.SIGKILL)
    return len(found)


def _descendants() -> list[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the program is in brackets and may hold anything; state and parent follow it.
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(stat.parent.name))
    found, open_ = [], [os.getpid()]
    while open_:
        children = parents.get(open_.pop(), [])
        found += children
        open_ += children
    return found


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
