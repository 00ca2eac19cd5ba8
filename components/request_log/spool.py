"""Rows on the local disk, safe from the end of the process, until they are a file of their hour."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from agnews.components.request_log.columns import SCHEMA
from agnews.components.storage.atomic_output import sync_folder

SUFFIX = ".spool"
COUNTS = ".counts"
_FRAME = struct.Struct("<4sII")
_MAGIC = b"agL1"
_COUNT = struct.Struct("<Q")
_OFFERED, _SYNCED, _DROPPED, _SIZE = 0, 8, 16, 24


class Spool:
    """A file that rows are appended to.

    Each append is a frame: magic, length, CRC-32, and a record batch of Arrow. A frame that was cut by the end of the
    machine is told by its length or its checksum, and what comes before it counts.

    Args:
        path: A new file, `INSTANCE-YYYYMMDDTHH-PART.spool`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "wb", buffering=0)
        sync_folder(path.parent)

    def append(self, rows: pa.RecordBatch) -> None:
        """Adds rows and returns once they are on the disk.

        Args:
            rows: Of `SCHEMA`.

        Raises:
            OSError: They could not be written; the file is as it was before.
        """
        payload = rows.serialize()
        head = _FRAME.pack(_MAGIC, payload.size, zlib.crc32(payload))
        try:
            written = self._file.write(head + payload.to_pybytes())
            if written != len(head) + payload.size:
                raise OSError(f"{written} of {len(head) + payload.size} bytes were written to {self.path}")
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            raise
        self.size += written

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_spool(path: Path) -> pa.Table:
    """Reads the rows of a spool, as far as it is whole.

    Args:
        path: The file, which may be growing.

    Returns:
        The rows, of `SCHEMA`.
    """
    return pa.Table.from_batches(_batches(path.read_bytes()), SCHEMA)


def _batches(content: bytes) -> Iterator[pa.RecordBatch]:
    place = 0
    while place + _FRAME.size <= len(content):
        magic, length, checksum = _FRAME.unpack_from(content, place)
        payload = content[place + _FRAME.size : place + _FRAME.size + length]
        if magic != _MAGIC or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield pa.ipc.read_record_batch(pa.py_buffer(payload), SCHEMA)
        place += _FRAME.size + length


@dataclass(frozen=True)
class Counted:
    """What a process had counted when it ended.

    Attributes:
        offered: Rows that were to be logged.
        synced: Rows that are in spools or in files.
        dropped: Rows that were left out because a limit was reached.
    """

    offered: int
    synced: int
    dropped: int

    @property
    def lost(self) -> int:
        """Rows that were answered and then went with the process."""
        return max(0, self.offered - self.synced - self.dropped)


class Counts:
    """Counts that outlive the process: a page of memory that belongs to a file, which the kernel keeps.

    Whoever holds the file's lock is the process that counts, so others can tell whether it still lives.

    Args:
        path: A new file, `INSTANCE.counts`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, _SIZE)
        self._page = mmap.mmap(self._descriptor, _SIZE)

    def set_offered(self, rows: int) -> None:
        """Notes how many rows were to be logged so far."""
        _COUNT.pack_into(self._page, _OFFERED, rows)

    def set_synced(self, rows: int) -> None:
        """Notes how many rows are safe."""
        _COUNT.pack_into(self._page, _SYNCED, rows)

    def set_dropped(self, rows: int) -> None:
        """Notes how many rows were left out."""
        _COUNT.pack_into(self._page, _DROPPED, rows)

    def remove(self) -> None:
        """Ends the counting of a process that left nothing open."""
        self.path.unlink(missing_ok=True)
        self._page.close()
        os.close(self._descriptor)


def read_counts(descriptor: int) -> Counted:
    """Reads what a process had counted.

    Args:
        descriptor: Of its file.
    """
    content = os.pread(descriptor, _SIZE, 0).ljust(_SIZE, b"\0")
    return Counted(*(_COUNT.unpack_from(content, place)[0] for place in (_OFFERED, _SYNCED, _DROPPED)))
