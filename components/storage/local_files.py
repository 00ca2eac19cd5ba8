"""File operations on a local disk, with the syncs that make them survive a power cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from typing_extensions import override

from agnews.components.storage.files import Files

_CHUNK = 1 << 20


class LocalFiles(Files):
    """See `Files` for what each operation promises."""

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
    def size(self, path: str) -> int:
        return Path(path).stat().st_size

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        target = Path(path)
        new_folders = [folder for folder in target.parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        for folder in [target.parent, *(folder.parent for folder in new_folders)]:
            _sync_folder(folder)

    @override
    def replace(self, path: str, content: bytes) -> None:
        target = Path(path)
        # One name a process is enough: whoever replaces files in a store holds its lock.
        temporary = target.with_name(f".incoming-{target.name}")
        self.write(str(temporary), [content])
        temporary.replace(target)
        _sync_folder(target.parent)

    @override
    def rename(self, source: str, target: str) -> None:
        Path(source).rename(target)
        _sync_folder(Path(source).parent)
        _sync_folder(Path(target).parent)

    @override
    def remove_file(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    @override
    def remove(self, folder: str) -> None:
        if Path(folder).is_dir():
            shutil.rmtree(folder)
            _sync_folder(Path(folder).parent)


def _sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable: syncing a file alone does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
