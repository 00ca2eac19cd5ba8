"""Standard output and standard error, whoever reads them: nobody, a reader that goes away, a full disk."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

from typing_extensions import override

from agnews.schemas.errors import AgnewsError, ExitCode

READER_GONE = 141
"""What a shell says of a program that SIGPIPE has ended."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def prepare_streams() -> None:
    """Makes the standard streams of this process safe to write to; call it once, before anything is printed.

    - A stream that was closed at the start leads to nowhere. Otherwise the first file that is opened would get its
      number, and what is printed would go into that file.
    - Once the reader of standard output has gone (`| head`), writing ends the process quietly with exit code 141, as
      SIGPIPE ends `cat`. Python ignores that signal, and it has to: servers write to sockets of clients that leave.
    - Where standard output cannot be written for another reason, an AgnewsError says so.
    - Nothing that goes to standard error is worth an end.
    """
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _text(_Output(_STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _text(PatientFile(_STDERR, "w", closefd=False), sys.stderr, errors="backslashreplace")


def _text(raw: io.FileIO, before: TextIO | None, errors: str | None = None) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before else "utf-8",
        errors=errors or (before.errors if before else "replace"),
        line_buffering=raw.isatty() or raw.fileno() == _STDERR,
    )


class PatientFile(io.FileIO):
    """A file whose writing never fails: what cannot be written is dropped, and all that follows.

    For what is told about work: a run must not end because nobody looks at it.
    """

    @override
    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except OSError as error:
            divert(self.fileno())
            self._failed(error)
            return memoryview(data).nbytes

    def _failed(self, error: OSError) -> None:
        """Does what has to be done about it."""


class _Output(PatientFile):
    """Standard output: what a command prints is what it is for."""

    @override
    def _failed(self, error: OSError) -> None:
        if error.errno == errno.EPIPE:
            raise SystemExit(READER_GONE) from None
        raise AgnewsError(
            "Standard output cannot be written.",
            found=error.strerror or str(error),
            fix="Free some space where it goes to, or send it elsewhere.",
            exit_code=ExitCode.FAILED,
        ) from error


def divert(descriptor: int) -> None:
    """Makes a file descriptor lead to nowhere, so that what is still buffered can be flushed.

    Args:
        descriptor: An open one.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
