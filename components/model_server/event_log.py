"""Telling what happens without ever being in the way of it."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from typing_extensions import override

_MOST_LINES = 1000


class EventLog:
    """Writes lines in a thread of its own, so that neither an error nor a reader who does not read stops the server.

    Lines that cannot be written are lost, and counted.

    Args:
        write: Writes a line; it may raise, and it may take for ever.

    Attributes:
        lost: Lines that were not written.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self.lost = 0
        self._write = write
        self._lines: queue.Queue[str] = queue.Queue(_MOST_LINES)
        self._thread = threading.Thread(target=self._work, name="event log", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        """Takes a line; never raises and never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def flush(self, seconds: float = 2.0) -> None:
        """Waits until all lines are written, or for so long."""
        end = time.monotonic() + seconds
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)

    def _work(self) -> None:
        while True:
            line = self._lines.get()
            try:
                self._write(line)
            except Exception:  # noqa: BLE001 - there is nowhere left to tell it
                self.lost += 1
            self._lines.task_done()


def writer_to(descriptor: int) -> Callable[[str], None]:
    """Makes what writes lines with the time of day to where a file descriptor leads now.

    It keeps a descriptor of its own and no buffer. Whoever else writes there may be led to nowhere once a disk was
    full; a log goes on when there is space again, and knows how many lines it has lost.

    Args:
        descriptor: An open one.

    Returns:
        A function that writes a line, and raises OSError where that fails.
    """
    kept = os.dup(descriptor)

    def write(line: str) -> None:
        content = f"{datetime.now():%H:%M:%S}  {line}\n".encode(errors="backslashreplace")
        while content:
            content = content[os.write(kept, content) :]

    return write


class EventLogHandler(logging.Handler):
    """Hands records of Python's logging on to an event log.

    Args:
        log: Receives lines.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Formats a record and hands it on."""
        with suppress(Exception):
            self._log(self.format(record))


def never_raising(log: Callable[[str], None]) -> Callable[[str], None]:
    """Wraps a log so that what goes wrong in it does not go wrong in what it tells of.

    Args:
        log: Receives a line.

    Returns:
        The same, silent where it fails.
    """

    def tell(line: str) -> None:
        with suppress(Exception):
            log(line)

    return tell
