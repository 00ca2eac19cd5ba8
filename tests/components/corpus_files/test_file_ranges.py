"""A file read in ranges gives the rows that it gives when read at once, or whoever reads it notices."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from agnews.components.corpus_files import file_ranges, read_range
from agnews.components.corpus_files.file_ranges import cut_files
from agnews.components.corpus_files.read_csv_rows import MisplacedEndError, read_csv_rows
from agnews.components.corpus_files.row_batch import read_files
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus

ROWS = 7


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (file_ranges, read_range):
        monkeypatch.setattr(module, "BATCH_ROWS", ROWS)
    monkeypatch.setattr("agnews.components.corpus_files.row_batch.read_batches.__defaults__", (ROWS, "train"))


def corpus(**read: object) -> Corpus:
    packaged = packaged_corpus()
    return packaged.model_copy(update={"read": packaged.read.model_copy(update=read)})


def facts(batches: object) -> list[object]:
    return [
        (batch.file, batch.index, batch.records, batch.rejects, batch.rows.tolist(), batch.last_row)
        for batch in batches  # type: ignore[attr-defined]
    ]


def write(path: Path, seed: int, *, broken: bool) -> None:
    """Rows of one to three lines, blank ones between, some in CR LF; bad ones, and quotes that are never closed."""
    draw = random.Random(seed)
    rows = []
    for i in range(draw.randrange(1, 90)):
        body = draw.choice(["plain", 'a ""quoted"" word', "two\nlines", "three\n\nlines, and a comma", "x" * 300])
        row = f'"{1 + i % 4}","title {i}","{body}"'
        bad = draw.random()
        if bad < 0.05:
            row = '"1","only two columns"'
        elif bad < 0.08:
            row = "just words"
        elif bad < 0.11 and broken:
            row = f'"2","never closed {i}'
        rows.append(row + draw.choice(["\n", "\n", "\r\n", "\n\n", "\n\r\n"]))
    content = "".join(rows)
    path.write_bytes(
        (b"\xef\xbb\xbf" if draw.random() < 0.3 else b"") + content.rstrip("\r\n" * draw.randrange(2)).encode()
    )


@pytest.mark.parametrize("block", [16, 64, 1 << 20])
@pytest.mark.parametrize("batches", [1, 2])
def test_ranges_are_the_file(tmp_path: Path, block: int, batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_ranges, "_BLOCK", block)
    cut = 0
    for seed in range(30):
        paths = {}
        for name in ("a.csv", "b.csv"):
            write(tmp_path / name, 2 * seed + (name == "b.csv"), broken=False)
            paths[name] = str(tmp_path / name)
        description = corpus()
        ranges = cut_files(paths, description, batches)
        assert ranges is not None
        cut += len(ranges) > 2
        read = [fact for part in ranges for fact in facts(read_range.read_range(part, description))]
        assert read == facts(read_files(paths, description)), seed
    assert cut > 15


def test_a_quote_that_never_closes_is_noticed_or_does_no_harm(tmp_path: Path) -> None:
    description, path = corpus(), tmp_path / "a.csv"
    noticed = 0
    for seed in range(120):
        write(path, seed, broken=True)
        paths = {"a.csv": str(path)}
        ranges = cut_files(paths, description, 1)
        assert ranges is not None
        try:
            read = [fact for part in ranges for fact in facts(read_range.read_range(part, description))]
        except MisplacedEndError:
            noticed += 1
        else:
            assert read == facts(read_files(paths, description)), seed
    assert noticed > 8


def test_a_header_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [f'{1 + i % 4},title,"text {i}\nof two lines"\n' for i in range(40)]
    path.write_text("class,title,description\n" + "".join(lines))
    description = corpus(header=True)
    ranges = cut_files({"a.csv": str(path)}, description, 1)
    assert ranges is not None
    assert [part.records for part in ranges] == [7, 7, 7, 7, 7, 5]
    read = [fact for part in ranges for fact in facts(read_range.read_range(part, description))]
    assert read == facts(read_files({"a.csv": str(path)}, description))


def test_what_has_to_be_read_from_its_beginning_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"1","a","b"\n' * 40)
    assert cut_files({"a.csv": str(path)}, corpus(encoding="iso8859-1"), 1) is None
    assert cut_files({"a.csv": str(path), "b.csv.gz": str(path) + ".gz"}, corpus(), 1) is None


def test_an_end_within_a_row_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\nc,d\n")
    assert len(list(read_csv_rows(path.open("rb"), end=4))) == 1
    with pytest.raises(MisplacedEndError):
        list(read_csv_rows(path.open("rb"), end=5))


def test_ranges_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write(path, 5, broken=False)
    ranges = cut_files({"a.csv": str(path)}, corpus(), 1)
    assert ranges is not None
    assert all(one.end == other.start.offset for one, other in pairwise(ranges))
    assert ranges[-1].end is None
