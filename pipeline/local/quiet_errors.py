"""Keeps what TensorFlow and Beam say out of the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet_errors(log: str = os.devnull) -> Iterator[TextIO]:
    """Sends what is written to standard error elsewhere, and hands out a stream that still reaches it.

    The file descriptor itself is redirected: TensorFlow's C++ code does not ask Python. An exception is not affected.

    Args:
        log: File that receives it; appended to.

    Yields:
        A text stream to the former standard error.
    """
    sys.stderr.flush()
    saved, elsewhere = os.dup(2), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(elsewhere, 2)
    os.close(elsewhere)
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8", errors="replace", buffering=1) as stream:
            yield stream
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
