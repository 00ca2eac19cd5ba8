from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus

WriteRows = Callable[[str, Iterable[tuple[str, str, str]]], Path]


@pytest.fixture
def corpus() -> Corpus:
    return packaged_corpus()


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Writes rows in the official format to a file in tmp_path."""

    def write(name: str, rows: Iterable[tuple[str, str, str]]) -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, write_rows: WriteRows) -> Path:
    """A small good corpus: 200 training rows, 40 test rows, four classes."""
    write_rows("train.csv", [(str(1 + i % 4), f"headline {i}", f"what happened in story {i}") for i in range(200)])
    write_rows("test.csv", [(str(1 + i % 4), f"late headline {i}", f"what came of story {i}") for i in range(40)])
    return tmp_path
