from __future__ import annotations

import errno
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.schemas.errors import AgnewsError


def test_of_several_at_once_one_makes_the_folder_and_all_find_it(tmp_path: Path) -> None:
    made = []

    def write(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.2)
        (folder / "weights").write_text("all")

    def ask(_: int) -> str:
        cache = EncoderCache(tmp_path)
        cache.make(cache.converted("digest"), write)
        return (cache.converted("digest") / "weights").read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["all"] * 4
    assert len(made) == 1


def test_a_cache_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)
    cache.make(cache.converted("digest"), lambda incoming: (incoming / "whole").write_text(""))
    # A user who may write everywhere, as in CI, is not stopped by permissions: this lock cannot be opened by anybody.
    lock = cache.converted("digest").with_name(".digest.lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()
    cache.make(cache.converted("digest"), lambda incoming: pytest.fail("it was made again"))


def test_one_whose_files_were_tidied_away_is_not_there_and_is_made_again(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)
    folder = cache.converted("digest")
    cache.make(folder, lambda incoming: (incoming / "whole").write_text(""))
    (folder / "whole").unlink()
    (folder / "variables").mkdir()
    assert list(cache.folders()) == []
    cache.make(folder, lambda incoming: (incoming / "whole").write_text("again"))
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_one_that_was_cut_is_not_there_and_the_next_begins_anew(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)
    folder = cache.converted("digest")

    def cut(incoming: Path) -> None:
        (incoming / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.make(folder, cut)
    assert not folder.exists()
    assert list(cache.folders()) == []
    cache.make(folder, lambda incoming: (incoming / "whole").write_text(""))
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert list(cache.folders()) == [folder]


def test_one_that_can_go_on_finds_what_was_left(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)

    def cut(incoming: Path) -> None:
        (incoming / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.make(cache.fetched("name"), cut)
    cache.make(cache.fetched("name"), lambda incoming: (incoming / "rest").write_text(""), resume=True)
    assert sorted(path.name for path in cache.fetched("name").iterdir()) == ["half", "rest"]


@pytest.mark.parametrize(("code", "problem"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission")])
def test_a_disk_that_refuses_is_an_error_with_a_way_out(code: int, problem: str, tmp_path: Path) -> None:
    def write(_: Path) -> None:
        raise OSError(code, "refused")

    with pytest.raises(AgnewsError, match=f"{problem}(?s:.*)AGNEWS_CACHE"):
        EncoderCache(tmp_path).make(EncoderCache(tmp_path).converted("digest"), write)


def test_names_of_fetched_encoders_are_readable_and_different(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path)
    handles = ("owner/name", "owner-name", "owner/name@main", "https://tfhub.dev/owner/name/1")
    folders = [cache.fetched(handle) for handle in handles]
    assert len(set(folders)) == len(handles)
    assert folders[3].name.startswith("tfhub.dev-owner-name-1-")
    assert all(folder.parent == tmp_path / "encoders" / "fetched" for folder in folders)
