"""Where fetched and converted encoders are kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from agnews.components.storage.atomic_output import make_folders, sync_folder, sync_tree
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.schemas.json_text import read_json

_VARIABLE = "AGNEWS_CACHE"
_DEFAULT = "~/.cache/agnews"
_INCOMING = ".incoming-"


class EncoderCache:
    """Folders of encoders under `CACHE/encoders`, each whole or not there.

    ```
    fetched/NAME-DIGEST/      as it was published, and source.json
    converted/DIGEST/         a SavedModel
    converted/.incoming-...   one that is being written, or was cut; the next one of this name replaces it
    ```

    All of it can be deleted at any time while no run uses it.

    Args:
        cache_dir: CACHE; None means the environment variable AGNEWS_CACHE, or `~/.cache/agnews`.
    """

    def __init__(self, cache_dir: Path | None = None) -> None:
        self.root = (cache_dir or Path(os.environ.get(_VARIABLE) or _DEFAULT)).expanduser().absolute() / "encoders"

    def converted(self, digest: str) -> Path:
        """Returns the folder of a converted encoder, whether it exists or not."""
        return self.root / "converted" / digest

    def fetched(self, handle: str) -> Path:
        """Returns the folder of a fetched encoder, whether it exists or not."""
        readable = re.sub(r"[^\w.]+", "-", handle.split("://")[-1]).strip("-.")[-80:]
        return self.root / "fetched" / f"{readable}-{hashlib.sha256(handle.encode()).hexdigest()[:8]}"

    def folders(self) -> Iterator[Path]:
        """Yields the folders that exist, the fetched ones first."""
        for kind in ("fetched", "converted"):
            found = (self.root / kind).glob("*")
            yield from sorted(path for path in found if not path.name.startswith(".") and holds_files(path))

    def make(self, folder: Path, write: Callable[[Path], None], *, resume: bool = False) -> None:
        """Makes a folder, whole or not at all. Of several processes one makes it, and the others wait.

        Args:
            folder: One of this cache.
            write: Called with the folder to write to, unless the one that is wanted exists by now.
            resume: Hand over what an attempt that was cut has left behind, instead of removing it.

        Raises:
            AgnewsError: The cache cannot be written.
        """
        # Folders appear whole, so one that is there needs no lock: the cache of an image cannot be written.
        if holds_files(folder):
            return
        writing = f"writing the cache of encoders {folder.parent}"
        with explain_storage_errors(writing, elsewhere=f"set the environment variable {_VARIABLE} to another folder"):
            make_folders(folder.parent)
            with FileLock(folder.with_name(f".{folder.name}.lock")):
                if holds_files(folder):
                    return
                incoming = folder.with_name(_INCOMING + folder.name)
                if incoming.is_dir() and not resume:
                    shutil.rmtree(incoming)
                incoming.mkdir(exist_ok=True)
                write(incoming)
                sync_tree(incoming)
                if folder.is_dir():
                    shutil.rmtree(folder)
                incoming.rename(folder)
                sync_folder(folder.parent)


def holds_files(folder: Path) -> bool:
    """Whether there is any file in a folder. Those who tidy caches remove files that are old, and leave the folders.

    Args:
        folder: It need not exist.
    """
    return any(path.is_file() for path in folder.rglob("*"))


_FILE = "source.json"


@dataclass(frozen=True)
class SourceRecord:
    """Kept in the folder of a fetched encoder.

    Attributes:
        handle: What it was fetched by, and what it is found by.
        revision: What was fetched exactly: a commit; empty where the server knows no such thing.
        url: Where from.
        files: Digest of each file as the server announced it; empty where it announced none.
    """

    handle: str
    revision: str
    url: str
    files: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Writes it into a folder."""
        (folder / _FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_source_record(folder: Path) -> SourceRecord | None:
    """Reads the record of a folder.

    Args:
        folder: One of `EncoderCache`.

    Returns:
        The record; None where there is none, or one that was cut.
    """
    path = folder / _FILE
    try:
        return SourceRecord(**read_json(path.read_bytes())) if path.is_file() else None
    except (ValueError, TypeError):
        return None
