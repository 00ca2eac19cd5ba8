"""Columns that name several classes, from the bytes of a file to marks, counts and splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.label_arrays import count_labels, stack_labels
from agnews.components.corpus_files.read_label_set import LabelSetReader
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.record import Reason, Record, Reject
from agnews.components.corpus_files.split_rule import eval_top_up
from agnews.schemas.corpus import Corpus, LabelSets

CLASSES = ("sports", "money", "film")


def corpus_of(separator: str | None = "|", *, may_be_empty: bool = False, file: str = "train.csv") -> Corpus:
    return Corpus.model_validate(
        {
            "format": 1,
            "name": "topics",
            "label": LabelSets(column="topics", separator=separator, may_be_empty=may_be_empty),
            "classes": [{"value": each, "name": each.title()} for each in CLASSES],
            "files": {"train": file, "test": {"share": 0.2}},
        },
        strict=False,
    )


def read(path: Path, corpus: Corpus) -> list[Record | Reject]:
    return list(read_records(str(path), corpus))


def test_marks_are_those_of_scikit_learn(tmp_path: Path) -> None:
    sets = [["film"], ["money", "sports"], [], ["sports", "film", "money"]]
    path = tmp_path / "train.csv"
    path.write_text("text,topics\n" + "".join(f"text {i},{' | '.join(each)}\n" for i, each in enumerate(sets)))

    records = read(path, corpus_of(may_be_empty=True))

    marks = stack_labels([each for each in records if isinstance(each, Record)], (3,))
    assert marks.tolist() == MultiLabelBinarizer(classes=CLASSES).fit_transform(sets).tolist()
    assert count_labels(marks, 3).tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", ["train.jsonl", "train.parquet", "train.csv"])
def test_lists_are_read_in_every_format(name: str, tmp_path: Path) -> None:
    sets, path = [["film", "sports"], ["money"]], tmp_path / name
    rows = [{"text": f"text {i}", "topics": each} for i, each in enumerate(sets)]
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        cells = (json.dumps(row["topics"]).replace('"', '""') for row in rows)
        path.write_text("text,topics\n" + "".join(f'text,"{cell}"\n' for cell in cells))

    found = read(path, corpus_of(None, file=name))

    assert [each.label for each in found if isinstance(each, Record)] == [b"\1\0\1", b"\0\1\0"]


@pytest.mark.parametrize(
    ("cell", "separator", "said"),
    [
        ("sports|sport", "|", "names 'sport', allowed are sports, money, film"),
        ("sports|sports", "|", "names 'sports' twice"),
        ("sports||film", "|", "names no class beside a '|'"),
        ("", "|", "names no class; label.may_be_empty allows that"),
        ('"[""sports""]"', "|", "without label.separator lists are read"),
        ("sports", None, "where there must be a JSON list"),
        ('"[[""sports""]]"', None, "where there must be a JSON list"),
        ('"{""sports"": 1}"', None, "where there must be a JSON list"),
    ],
)
def test_what_cannot_be_read_is_a_bad_row_with_its_line(
    cell: str, separator: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "train.csv"
    path.write_text(f"topics,text\n{cell},one\n")

    (bad,) = read(path, corpus_of(separator))

    assert isinstance(bad, Reject)
    assert (bad.reason, bad.line) == (Reason.CLASS_SET, 2)
    assert bad.detail.startswith("topics ")
    assert said in bad.detail


@given(st.text())
def test_any_cell_is_read_or_explained(cell: str) -> None:
    for separator in ("|", None):
        corpus = corpus_of(separator)
        assert corpus.label_sets is not None
        reader = LabelSetReader(corpus, corpus.label_sets)
        assert (reader(cell) is None) == bool(reader.explain(cell))


def test_every_class_has_rows_in_eval_and_in_train(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    lines = []
    for number in range(400):
        has = [name for name, share in zip(CLASSES, (0.6, 0.4, 0.02), strict=True) if random.random() < share]
        lines.append(f"text number {number},{'|'.join(has)}\n")
    (tmp_path / "train.csv").write_text("text,topics\n" + "".join(lines))

    found = inspect_corpus(str(tmp_path), corpus_of(may_be_empty=True), eval_share=0.05, max_reject_share=0.0)

    assert found.problem is None or "'test'" in found.problem.problem
    for split in ("train", "eval"):
        assert min(found.card.splits[split].rows_per_class.values()) >= 1
    rows = found.card.splits["train"].rows + found.card.splits["eval"].rows + found.card.splits["test"].rows
    assert rows == 400


def test_a_text_that_is_the_last_of_another_class_stays_in_train() -> None:
    keys = np.arange(4, dtype=np.uint64)
    # The only text of the second class has the first one too.
    marks = np.array([[1, 1], [1, 0], [1, 0], [1, 0]], np.uint8)

    moved = eval_top_up((keys, marks), (keys[:0], marks[:0]), 0.3)

    assert len(moved) == 1
    assert 0 not in moved.tolist()
