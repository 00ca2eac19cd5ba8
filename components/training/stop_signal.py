"""SIGTERM in a process that trains: heard in spite of TensorFlow, put off until a step is done where others wait."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 143
"""What a process ends with that was asked to end: 128 and the number of SIGTERM."""

WENT_AWAY = "Another process of this training went away."
"""What a process says that ends because of another one: that one has the reason."""

_LOGGER = logging.getLogger(__name__)


class Stopped(SystemExit):
    """The process was asked to end, and has left what the next one needs."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


class _Heard:
    """Whether somebody asked, and whether that ends the process at once."""

    def __init__(self) -> None:
        self.asked = False
        self.put_off = False
        self.held = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Takes the signal; a second one changes nothing."""
        if self.asked:
            return
        self.asked = True
        if not self.put_off:
            raise Stopped
        _LOGGER.info("Asked to end (signal %d): the step is finished and a backup written first", number)


_HEARD = _Heard()


def hold() -> None:
    """Keeps SIGTERM waiting until `take_back`; for the first line of a process, before any thread is started.

    TensorFlow takes the signal over while it finds other processes. Held back, it is neither lost there nor does it end
    the process in the middle of that; who waits for something asks `require_wanted` now and then.
    """
    _HEARD.held = True
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def is_held() -> bool:
    """Whether the signal waits for `take_back`."""
    return _HEARD.held


def require_wanted() -> None:
    """Ends the process if it was asked to while the signal is held.

    Raises:
        Stopped: It was.
    """
    if signal.SIGTERM in signal.sigpending():
        raise Stopped


def take_back() -> None:
    """Hears SIGTERM from now on; after TensorFlow has found the other processes, which is when it takes it over.

    Where the process works in another thread than its first, the signal stays as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, _HEARD.hear)
    _HEARD.held = False
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def is_asked() -> bool:
    """Whether SIGTERM came while it was put off."""
    return _HEARD.asked


@contextmanager
def put_off() -> Iterator[None]:
    """Lets SIGTERM only be noted inside: whoever trains with others has to agree with them on the step to stop at.

    Yields:
        Nothing.

    Raises:
        Stopped: It was noted, and nobody has acted on it.
    """
    _HEARD.put_off = True
    try:
        yield
    finally:
        _HEARD.put_off = False
    if _HEARD.asked:
        raise Stopped
