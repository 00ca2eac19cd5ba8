from __future__ import annotations

import os
from pathlib import Path

import pytest

from agnews.pipeline.local.paths import prepare_root
from agnews.schemas.errors import AgnewsError


def test_the_root_is_made_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = prepare_root(Path("a/b"))
    assert paths.root == tmp_path / "a" / "b"
    assert list(paths.root.iterdir()) == []


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AgnewsError, match="cannot be written"):
        prepare_root(tmp_path / "file" / "root")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AgnewsError, match="--root DIR"):
        prepare_root(tmp_path / "root")
