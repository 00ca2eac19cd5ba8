"""The same rows in every form that a description can name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.record import Record, Reject
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import TEST, TRAIN

HEAD = "format: 1\nname: mails\nlabel: kind\ntexts: [subject, body]\nclasses: {ham: Wanted, spam: Unwanted}\n"
ROWS = [
    ("ham", "Lunch", 'at "Zoë\'s", noon'),
    ("spam", "Gewinn\u00fcberraschung", "klicken\nSie hier; jetzt"),
    ("ham", "Tab\there", "50 € back"),
]


def describe(more: str = "", head: str = HEAD) -> Corpus:
    return parse_corpus(head + more, "corpus.yaml")


def csv_text(delimiter: str, header: bool = True) -> str:
    quote = lambda value: '"' + value.replace('"', '""') + '"'  # noqa: E731
    rows = [("kind", "id", "subject", "body")] * header + [(a, "7", b, c) for a, b, c in ROWS]
    return "".join(delimiter.join(map(quote, row)) + "\n" for row in rows)


def write_encoded(encoding: str, path: Path) -> None:
    path.write_bytes(csv_text(",").encode(encoding))


def write_parquet(path: Path) -> None:
    kinds, subjects, bodies = zip(*ROWS, strict=True)
    kind = pa.array(kinds).dictionary_encode()
    pq.write_table(pa.table({"body": bodies, "kind": kind, "subject": pa.array(subjects, pa.large_string())}), path)


def write_jsonl(path: Path) -> None:
    lines = [json.dumps({"body": c, "score": float("nan"), "subject": b, "kind": a}) for a, b, c in ROWS]
    path.write_text("\n".join(lines) + "\n")


FORMS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "csv": ("train.csv", "", lambda path: path.write_text(csv_text(","))),
    "bom": ("train.csv", "", lambda path: path.write_text("\ufeff" + csv_text(","))),
    "crlf": ("train.csv", "", lambda path: path.write_bytes(csv_text(",").replace('"\n', '"\r\n').encode())),
    "semicolons": ("train.csv", "read: {delimiter: ';'}\n", lambda path: path.write_text(csv_text(";"))),
    "tsv": ("train.tsv", "files: {train: train.tsv}\n", lambda path: path.write_text(csv_text("\t"))),
    "no header": (
        "train.csv",
        "read: {header: false}\ncolumns: [kind, id, subject, body]\n",
        lambda path: path.write_text(csv_text(",", header=False)),
    ),
    "gzip": (
        "train.csv.gz",
        "files: {train: train.csv.gz}\n",
        lambda path: path.write_bytes(gzip.compress(csv_text(",").encode())),
    ),
    "cp1252": (
        "train.csv",
        "read: {encoding: cp1252}\n",
        lambda path: path.write_bytes(csv_text(",").encode("cp1252")),
    ),
    "utf-16": (
        "train.csv",
        "read: {encoding: utf-16}\n",
        lambda path: path.write_bytes(csv_text(",").encode("utf-16")),
    ),
    "jsonl": ("train.jsonl", "files: {train: train.jsonl}\n", write_jsonl),
    "parquet": ("train.parquet", "files: {train: train.parquet}\n", write_parquet),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(form: str, tmp_path: Path) -> None:
    name, more, write = FORMS[form]
    write(tmp_path / name)
    records = list(read_records(str(tmp_path / name), describe(more)))
    assert all(isinstance(record, Record) for record in records), records
    assert [(record.row, record.label, record.text) for record in records if isinstance(record, Record)] == [
        (i, ["ham", "spam"].index(kind), f"{subject} {body}") for i, (kind, subject, body) in enumerate(ROWS, 1)
    ]


def test_folders_are_classes_and_files_are_texts(tmp_path: Path) -> None:
    for folder, name, text in (("ham", "1.txt", "lunch\nat noon"), ("spam", "b.txt", "win"), ("ham", "0.txt", "  ")):
        (tmp_path / "train" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / folder / name).write_text(text)
    (tmp_path / "train" / "ham" / ".DS_Store").write_bytes(b"\0\1")
    corpus = describe("files: {train: train}\nread: {format: folders}\n", HEAD.replace("[subject, body]", "text"))
    blank, lunch, win = read_records(str(tmp_path / "train"), corpus)
    assert isinstance(blank, Reject)
    assert "ham/0.txt" in blank.detail
    assert isinstance(lunch, Record)
    assert isinstance(win, Record)
    assert [(each.label, each.text) for each in (lunch, win)] == [(0, "lunch\nat noon"), (1, "win")]


def test_quotes_may_be_letters(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text('kind\tsubject\tbody\nham\t"Hi\tsaid "he"\nspam\tx\t"\n')
    records = list(
        read_records(str(tmp_path / "train.tsv"), describe("files: {train: train.tsv}\nread: {quotes: false}\n"))
    )
    assert [record.text for record in records if isinstance(record, Record)] == ['"Hi said "he"', 'x "']


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (values, f"{{{values[0]}: a, {values[1]}: b}}".lower().replace(".0", ""))
        for values in ([1, 2, 1], [1.0, 2.0, 1.0], [True, False, True])
    ],
)
def test_typed_labels_are_their_words(values: list[object], classes: str, tmp_path: Path) -> None:
    corpus = describe(head=f"format: 1\nname: m\nclasses: {classes}\nfiles: {{train: t.parquet}}\n")
    pq.write_table(pa.table({"label": values, "text": ["x", "y", "z"]}), tmp_path / "t.parquet")
    lines = [json.dumps({"label": value, "text": "x"}) for value in values]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    of_lines = describe(head=f"format: 1\nname: m\nclasses: {classes}\nfiles: {{train: t.jsonl}}\n")
    for records in (
        read_records(str(tmp_path / "t.parquet"), corpus),
        read_records(str(tmp_path / "t.jsonl"), of_lines),
    ):
        assert [record.label for record in records if isinstance(record, Record)] == [0, 1, 0]


def test_three_hundred_classes(tmp_path: Path) -> None:
    values = [f"intent_{i}" for i in range(300)]
    corpus = describe(head=f"format: 1\nname: m\nclasses: [{', '.join(values)}]\nfiles: {{test: {{share: 0.2}}}}\n")
    rows = [f"{value},text number {i} of {value}" for i in range(40) for value in values]
    (tmp_path / "train.csv").write_text("label,text\n" + "\n".join(rows) + "\n")
    card = inspect_corpus(str(tmp_path), corpus, eval_share=0.1, max_reject_share=0.0).card
    assert {split: len(each.rows_per_class) for split, each in card.splits.items()} == dict.fromkeys(card.splits, 300)
    assert sum(each.rows for each in card.splits.values()) == 12_000
    assert card.splits["train"].rows_per_class["intent_299"] > 20


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("kind,title,body\nham,x,y\n")
    with pytest.raises(AgnewsError, match=r"line 1, has no column 'subject'") as caught:
        list(read_records(str(tmp_path / "train.csv"), describe()))
    assert "'title'" in str(caught.value.found)


def test_a_wrong_delimiter_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("kind;subject;body\nham;x;y\n")
    with pytest.raises(AgnewsError, match="no column") as caught:
        list(read_records(str(tmp_path / "train.csv"), describe()))
    assert "read.delimiter" in caught.value.fix


def test_an_unknown_label_is_one_bad_row(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("kind,subject,body\nham,x,y\nmaybe,x,y\nspam,x,y\n")
    good, bad, other = read_records(str(tmp_path / "train.csv"), describe())
    assert isinstance(bad, Reject)
    assert (bad.row, bad.line, bad.detail) == (2, 3, "kind is 'maybe', allowed are ham, spam")
    assert isinstance(good, Record)
    assert isinstance(other, Record)


def test_a_file_in_another_encoding_names_byte_and_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes("kind,subject,body\nham,x,y\nham,Zoë,y\n".encode("cp1252"))
    _, bad = read_records(str(tmp_path / "train.csv"), describe())
    assert isinstance(bad, Reject)
    assert (bad.line, "0xeb" in bad.detail) == (3, True)


def test_a_share_of_texts_is_the_test_split_and_does_not_move(tmp_path: Path) -> None:
    corpus = describe("files: {test: {share: 0.25}}\n", HEAD.replace("[subject, body]", "body"))
    rows = [f"{('ham', 'spam')[i % 2]},mail number {i}" for i in range(1_000)]
    found = []
    for count in (800, 1_000):
        (tmp_path / "train.csv").write_text("kind,body\n" + "\n".join(rows[:count]) + "\n")
        from agnews.components.corpus_files.row_batch import read_files

        parts = {
            part: [r.text for b in read_files({"t": str(tmp_path / "train.csv")}, corpus, part) for r in b.records]
            for part in (TRAIN, TEST)
        }
        assert sorted(parts[TRAIN] + parts[TEST]) == sorted(row.partition(",")[2] for row in rows[:count])
        found.append(set(parts[TEST]))
    assert 150 < len(found[0]) < 250
    assert found[0] < found[1]


def test_a_column_tells_test_rows(tmp_path: Path) -> None:
    corpus = describe("files: {test: {column: split, value: test}}\n", HEAD.replace("[subject, body]", "body"))
    rows = [f"{('ham', 'spam')[i % 2]},mail number {i},{'test' if i % 10 < 2 else 'train'}" for i in range(400)]
    (tmp_path / "train.csv").write_text("kind,body,split\n" + "\n".join(rows) + '\nham,"broken\n')
    card = inspect_corpus(str(tmp_path), corpus, eval_share=0.1, max_reject_share=1.0).card
    assert card.splits["test"].rows == 80
    assert card.splits["train"].rows + card.splits["eval"].rows == 320
    assert card.rejected == 1


def test_half_a_pair_in_json_is_a_bad_row_and_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(
        '{"kind": "ham", "subject": "a", "body": "\\ud800"}\n{"kind": "\\udfff", "subject": "", "body": ""}\n'
    )
    corpus = describe("files: {train: train.jsonl}\n")
    rejects = list(read_records(str(path), corpus))
    assert all(isinstance(each, Reject) for each in rejects)
    assert "\\ud800" in rejects[0].found
    assert all(each.found.isprintable() for each in rejects)


def test_a_parquet_file_that_nobody_has_written_whole_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write_parquet(path)
    content = path.read_bytes()
    corpus = describe("files: {train: train.parquet}\n")
    # Names of columns that are no UTF-8, and every other byte of the footer.
    for at in range(len(content) - 900, len(content) - 8, 3):
        path.write_bytes(content[:at] + b"\x94" + content[at + 1 :])
        try:
            list(read_records(str(path), corpus))
        except AgnewsError:
            continue
