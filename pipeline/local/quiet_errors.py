"""Keeps what TensorFlow says while it loads out of the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet_errors() -> Iterator[TextIO]:
    """Sends what is written to standard error nowhere, and hands out a stream that still reaches it.

    The file descriptor itself is redirected: TensorFlow's C++ code does not ask Python. An exception is not affected.

    Yields:
        A text stream to the former standard error.
    """
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8", errors="replace", buffering=1) as stream:
            yield stream
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
