from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agnews.components.storage.unpack_archive import UnpackLimits, unpack_archive
from agnews.schemas.errors import AgnewsError


def pack(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_and_folders_are_unpacked(tmp_path: Path, mode: str) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(
        tmp_path / "packed", special("./", tarfile.DIRTYPE), ("./a", b"1"), ("b/c/d", b"2" * 70_000), mode=mode
    )
    unpack_archive(packed, tmp_path / "out")
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"a": b"1", "b/c/d": b"2" * 70_000}


@pytest.mark.parametrize("name", ["../up", "/absolute", "a/../../up", "a\\b", "a\nb", "C:x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(AgnewsError, match="would lead out"):
        unpack_archive(pack(tmp_path / "packed", (name, b"x")), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "packed"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(tmp_path / "packed", special("a", kind, "/etc"), ("a/passwd", b"x"))
    with pytest.raises(AgnewsError, match="link or a device"):
        unpack_archive(packed, tmp_path / "out")


def test_a_bomb_ends_at_its_limit(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(tmp_path / "packed", ("a", b"\0" * 3_000_000), ("b", b"\0" * 3_000_000))
    assert packed.stat().st_size < 20_000
    with pytest.raises(AgnewsError, match=r"unpack to more than it may(?s:.*)4,000,000 bytes"):
        unpack_archive(packed, tmp_path / "out", UnpackLimits(most_bytes=4_000_000))
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 4_000_000


def test_so_does_one_of_many_files(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(tmp_path / "packed", *[(f"{number}", b"") for number in range(50)])
    with pytest.raises(AgnewsError, match="more than 20 files"):
        unpack_archive(packed, tmp_path / "out", UnpackLimits(most_files=20))
    assert len(list((tmp_path / "out").iterdir())) <= 20


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"<html>",
        lambda content: b"",
        lambda content: content[:3] + b"\x1f",
        lambda content: content[: len(content) // 2],
        lambda content: content[:60] + bytes(200) + content[260:],
    ],
)
def test_what_is_no_archive_is_told(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "out").mkdir()
    packed = pack(tmp_path / "packed", ("a", bytes(range(256)) * 4_000), ("b", b"x" * 9_000))
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(AgnewsError, match="is none, is damaged, or is cut off"):
        unpack_archive(packed, tmp_path / "out")


def test_a_name_that_stands_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for members in ([("a", b"1"), ("a", b"2")], [("a", b"1"), ("a/b", b"2")]):
        packed = pack(tmp_path / "packed", *members)
        with pytest.raises(AgnewsError, match="stands there twice"):
            unpack_archive(packed, tmp_path / "out")
        (tmp_path / "out" / "a").unlink()
