"""Archives of strangers, unpacked within limits and within their folder."""

from __future__ import annotations

import gzip
import lzma
import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from agnews.components.storage.safe_relative import safe_relative
from agnews.schemas.errors import AgnewsError, ExitCode

_CHUNK = 1 << 20
_DAMAGED = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError),
    # What the library raises where a header ends early, or holds what no writer writes.
    *(ValueError, TypeError, LookupError, ArithmeticError, RecursionError),
)


@dataclass(frozen=True)
class UnpackLimits:
    """What an archive may hold.

    Attributes:
        most_bytes: Of all files together, unpacked.
        most_files: Files and folders.
    """

    most_bytes: int = 16 << 30
    most_files: int = 10_000


def unpack_archive(archive: Path, folder: Path, limits: UnpackLimits | None = None) -> None:
    """Unpacks a tar archive, compressed or not: plain files and folders, each inside `folder`.

    Links and devices are refused, and so is every name that leads elsewhere. Owners, times and modes are not taken
    over.

    Args:
        archive: The archive.
        folder: Where to; it exists and is empty.
        limits: What it may hold at most; None takes the defaults. They are checked while it is unpacked, since headers
            can lie.

    Raises:
        AgnewsError: It is no archive, is cut off, holds something that it may not, or more than it may.
    """
    try:
        with tarfile.open(archive, "r|*") as packed:
            _Unpacking(archive, folder, limits or UnpackLimits()).run(packed)
    except _DAMAGED as error:
        raise AgnewsError(
            "The archive is none, is damaged, or is cut off.",
            found=f"{error} ({archive.name})",
            fix="Download it again; if it stays so, look at what the server sends.",
            exit_code=ExitCode.FAILED,
        ) from error


class _Unpacking:
    def __init__(self, archive: Path, folder: Path, limits: UnpackLimits) -> None:
        self._archive = archive
        self._folder = folder
        self._limits = limits
        self._left = limits.most_bytes
        self._count = 0

    def run(self, packed: tarfile.TarFile) -> None:
        for member in packed:
            self._count += 1
            if self._count > self._limits.most_files:
                raise self._too_much(f"more than {self._limits.most_files:,} files")
            # Archives of a folder begin with the folder itself, and name what is in it by `./`.
            name = member.name.removeprefix("./").rstrip("/")
            if name in ("", "."):
                continue
            target = self._folder / safe_relative(name, within=self._archive.name)
            try:
                self._add(packed, member, target)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise tarfile.ReadError(f"{name!a} stands there twice") from error

    def _add(self, packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif member.isreg():
            self._write(packed, member, target)
        else:
            raise AgnewsError(
                "The archive holds something else than files and folders.",
                found=f"{member.name!a} is a link or a device ({self._archive.name})",
                fix="Take the files from a source that you trust.",
                exit_code=ExitCode.FAILED,
            )

    def _write(self, packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
        if member.size > self._left:
            raise self._too_much(f"more than {self._limits.most_bytes:,} bytes")
        self._left -= member.size
        source = packed.extractfile(member)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            while source and (chunk := source.read(_CHUNK)):
                file.write(chunk)
            if file.tell() != member.size:
                raise tarfile.ReadError(f"{member.name!a} is cut off")

    def _too_much(self, found: str) -> AgnewsError:
        return AgnewsError(
            "The archive would unpack to more than it may.",
            found=f"{found} in {self._archive.name}",
            fix="Look at it by hand; if it is right, unpack it yourself and use the path of the folder.",
            exit_code=ExitCode.FAILED,
        )
