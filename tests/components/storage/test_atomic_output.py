"""A file is there whole, or not at all; also after a power cut, and where somebody has laid a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agnews.components.storage.atomic_output import atomic_output, write_atomically


def test_what_fails_half_way_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")

    def fail() -> None:
        with atomic_output(tmp_path / "file") as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_private_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    seen = []
    with atomic_output(tmp_path / "rows", private=True) as file:
        seen.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        file.write(b"rows")
    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "rows").stat().st_mode) == 0o600


def test_what_somebody_made_private_stays_private(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")
    (tmp_path / "file").chmod(0o640)
    write_atomically(tmp_path / "file", "new")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the folder guesses the temporary name, and lays a link to a file of the user there."""
    (tmp_path / "precious").write_text("precious")
    monkeypatch.setattr("agnews.components.storage.atomic_output.secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".file.guessed.new").symlink_to(tmp_path / "precious")

    with pytest.raises(Exception, match="writing"):
        write_atomically(tmp_path / "file", "new")

    assert (tmp_path / "precious").read_text() == "precious"


def test_temporary_names_differ_from_call_to_call(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with atomic_output(tmp_path / "file") as file:
            names |= {path.name for path in tmp_path.glob(".file.*")}
            file.write(b"")
    assert len(names) == 3


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    with atomic_output(Path("/dev/null")) as file:
        file.write(b"gone")
    assert Path("/dev/null").is_char_device()
