from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.storage.open_binary import sha256_of
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError


def test_changes_with_every_byte_and_not_with_the_place(folder: Path, tmp_path: Path) -> None:
    before = read_state(str(folder), packaged_corpus()).digest
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("train.csv", "test.csv"):
        shutil.copy(folder / name, copy)
    assert read_state(str(copy), packaged_corpus()).digest == before
    with (copy / "test.csv").open("a") as file:
        file.write('"1","one","more"\n')
    assert read_state(str(copy), packaged_corpus()).digest != before


def test_files_that_changed_places_are_other_data(folder: Path) -> None:
    before = read_state(str(folder), packaged_corpus()).digest
    (folder / "train.csv").rename(folder / "x")
    (folder / "test.csv").rename(folder / "train.csv")
    (folder / "x").rename(folder / "test.csv")
    assert read_state(str(folder), packaged_corpus()).digest != before


def test_sha256_is_that_of_sha256sum(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(str(tmp_path / "file")) == hashlib.sha256(data).hexdigest()


def test_the_sample_has_a_digest() -> None:
    assert read_state("sample", packaged_corpus()).digest == read_state("sample", packaged_corpus()).digest


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no such file"):
        read_state(str(tmp_path), packaged_corpus())
