"""Keeps the chatter of libraries out of the terminal."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from agnews.pipeline.local.standard_streams import PatientFile

STDOUT, STDERR = 1, 2


@contextmanager
def quiet_output(log: Path, descriptors: Sequence[int] = (STDOUT, STDERR)) -> Iterator[TextIO]:
    """Sends everything that is printed to a file, and hands out a stream that still reaches the terminal.

    The file descriptors themselves are redirected: TensorFlow's C++ code and child processes do not ask Python.

    Args:
        log: File that receives the output; appended to.
        descriptors: What is redirected. STDERR alone leaves standard output to answers that are written there.

    Yields:
        A text stream to where the first of them led before. Writing to it never fails: once nobody can read it, what is
        written is dropped.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    streams = [{STDOUT: sys.stdout, STDERR: sys.stderr}[descriptor] for descriptor in descriptors]
    for stream in streams:
        stream.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in descriptors]
    encoding = streams[0].encoding or "utf-8"
    told = io.BufferedWriter(PatientFile(os.dup(saved[0][1]), "w"))
    terminal = io.TextIOWrapper(told, encoding=encoding, errors="replace", line_buffering=True)
    with log.open("ab") as file:
        for descriptor, _ in saved:
            os.dup2(file.fileno(), descriptor)
    try:
        yield terminal
    finally:
        for stream in streams:
            stream.flush()
        terminal.flush()
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
        terminal.close()


@contextmanager
def terminable() -> Iterator[None]:
    """Lets SIGTERM end what runs inside as Ctrl-C does, with a chance to clean up.

    Yields:
        Nothing; SIGTERM raises KeyboardInterrupt inside.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
