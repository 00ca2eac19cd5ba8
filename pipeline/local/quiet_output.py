"""Keeps the chatter of libraries out of the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def quiet_output(log: Path) -> Iterator[TextIO]:
    """Sends everything that is printed to a file, and hands out a stream that still reaches the terminal.

    The file descriptors themselves are redirected: TensorFlow's C++ code and child processes do not ask Python.

    Args:
        log: File that receives the output; appended to.

    Yields:
        A text stream to the former standard output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    encoding = sys.stdout.encoding or "utf-8"
    terminal = os.fdopen(os.dup(saved[0][1]), "w", encoding=encoding, errors="replace", buffering=1)
    with log.open("ab") as file:
        for descriptor, _ in saved:
            os.dup2(file.fileno(), descriptor)
    try:
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        terminal.flush()
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
        terminal.close()
