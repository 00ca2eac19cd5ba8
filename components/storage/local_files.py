"""File operations on a local disk, with the syncs that make them survive a power cut."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from agnews.components.storage.atomic_output import replaced_file, sync_folder
from agnews.components.storage.files import ChangedError, Files, FileState, Tagged

_CHUNK = 1 << 20


class LocalFiles(Files):
    """See `Files` for what each operation promises. An etag is the sha256 of the content.

    It takes a file system of POSIX with locks: ext4, XFS, Btrfs, ZFS, APFS, and NFS from version 4 on.
    """

    renames_atomically = True

    @override
    def exists(self, path: str) -> bool:
        return Path(path).exists()

    @override
    def names(self, folder: str) -> list[str]:
        if not Path(folder).is_dir():
            return []
        return sorted(entry.name for entry in Path(folder).iterdir())

    @override
    def files_below(self, folder: str) -> list[str]:
        root = Path(folder)
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    @override
    def state(self, path: str) -> FileState:
        found = Path(path).stat()
        return FileState(found.st_size, found.st_mtime_ns)

    @override
    def open(self, path: str) -> io.BufferedReader:
        return io.BufferedReader(io.FileIO(path), _CHUNK)

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    @override
    def read_tagged(self, path: str) -> Tagged:
        content = Path(path).read_bytes()
        return Tagged(content, _etag(content))

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        with replaced_file(Path(path)) as file:
            for chunk in chunks:
                file.write(chunk)

    @override
    def write_private(self, path: str, chunks: Iterable[bytes]) -> None:
        with replaced_file(Path(path), private=True) as file:
            for chunk in chunks:
                file.write(chunk)

    @override
    def create(self, path: str, content: bytes) -> str:
        if Path(path).exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        with replaced_file(Path(path), may_exist=False) as file:
            file.write(content)
        return _etag(content)

    @override
    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        if expected_etag is None:
            self.write(path, [content])
            return _etag(content)
        with _turn(Path(path).parent):
            try:
                found = self.read_tagged(path).etag
            except FileNotFoundError:
                found = "nothing"
            if found != expected_etag:
                raise ChangedError(errno.ESTALE, f"It holds {found[:12]} in place of {expected_etag[:12]}", path)
            self.write(path, [content])
        return _etag(content)

    @override
    def decides_races(self, folder: str) -> bool:
        return True

    @override
    @contextmanager
    def lock(self, folder: str, seconds: float) -> Iterator[None]:
        from filelock import FileLock, Timeout

        Path(folder).mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}/.lock")
        try:
            lock.acquire(timeout=seconds)
        except Timeout as error:
            raise TimeoutError(errno.ETIMEDOUT, f"{folder}/.lock is held") from error
        try:
            yield
        finally:
            lock.release()

    @override
    def rename(self, source: str, target: str) -> None:
        Path(source).rename(target)
        for folder in {Path(source).parent, Path(target).parent}:
            sync_folder(folder)

    @override
    def remove_file(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    @override
    def remove(self, folder: str) -> None:
        if Path(folder).is_dir():
            shutil.rmtree(folder)
            sync_folder(Path(folder).parent)

    @override
    def sync_folder(self, path: str) -> None:
        sync_folder(Path(path))


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Lets one process after the other compare and replace files of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            # Some network file systems lock files only; there the lock of the store has to do.
            if error.errno not in (errno.EBADF, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL):
                raise
        yield
    finally:
        os.close(descriptor)
