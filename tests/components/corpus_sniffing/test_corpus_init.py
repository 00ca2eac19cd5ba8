"""Ten corpora of different forms, each described without a word of help, and then read as a run reads them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.corpus_files.inspect_corpus import Inspection, inspect_corpus
from agnews.components.corpus_sniffing.propose_corpus import Wanted, propose_corpus
from agnews.components.corpus_sniffing.settle_corpus import settle_corpus
from agnews.components.corpus_sniffing.write_description import write_description
from agnews.pipeline.node_settings import carried_corpora
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.errors import AgnewsError

WORDS = {
    "en": [
        "the",
        "of",
        "and",
        "price",
        "my",
        "card",
        "is",
        "lost",
        "how",
        "do",
        "you",
        "to",
        "in",
        "it",
        "team",
        "won",
    ],
    "de": [
        "der",
        "die",
        "und",
        "nicht",
        "für",
        "Straße",
        "größer",
        "ist",
        "ein",
        "Geschäft",
        "läuft",
        "mit",
        "das",
        "auf",
    ],
    "he": ["של", "את", "לא", "כי", "הוא", "שלום", "ירושלים", "ממשלה", "משחק", "ניצחון", "כסף", "מחיר"],
    "zh": ["的", "一", "是", "在", "不", "了", "有", "和", "人", "这", "中", "大", "国", "我", "以", "要"],
}
Rows = list[tuple[str, str]]


def make(labels: Sequence[str], rows: int, language: str = "en", seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    join = "" if language == "zh" else " "
    return [
        (
            str(labels[i % len(labels)]),
            join.join(generator.choice(WORDS[language], generator.integers(6, 30))) + f" {i}",
        )
        for i in range(rows)
    ]


def table(rows: Sequence[Sequence[str]], delimiter: str = ",", **how: Any) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, **how).writerows(rows)
    return out.getvalue().encode()


def as_csv(folder: Path) -> None:
    for name, rows in (("train.csv", 400), ("test.csv", 100)):
        (folder / name).write_bytes(
            table([("text", "category"), *((t, c) for c, t in make(("card", "cash, lost?"), rows))])
        )


def without_header(folder: Path) -> None:
    # As AG News is: numbers from 1, two columns of text, quotes around all, line ends and commas inside.
    rows = [(c, f'"{t[:9]}", he said', f"{t},\n{t}") for c, t in make("1234", 400)]
    (folder / "train.csv").write_bytes(table(rows, quoting=csv.QUOTE_ALL))


def tab_separated(folder: Path) -> None:
    rows = ["id\tlabel\tsentence", *(f'{i}\t{c}\t"{t}' for i, (c, t) in enumerate(make(("neg", "pos"), 300)))]
    (folder / "train.tsv").write_text("\n".join(rows) + "\n")


def semicolons_in_cp1252(folder: Path) -> None:
    rows = [("Thema", "Text"), *((c, t) for c, t in make(("Sport", "Kultur", "Größe"), 300, "de"))]
    (folder / "artikel.csv").write_bytes(table(rows, ";").decode().encode("cp1252"))


def json_lines(folder: Path) -> None:
    lines = [json.dumps({"uid": i, "stars": int(c), "review": t}) for i, (c, t) in enumerate(make("12345", 500))]
    (folder / "reviews.jsonl").write_text("\n".join(lines) + "\n")


def packed_json_lines_in_hebrew(folder: Path) -> None:
    lines = [json.dumps({"label": c, "text": t}, ensure_ascii=False) for c, t in make(("ספורט", "כלכלה"), 300, "he")]
    (folder / "train.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))


def parquet_in_chinese(folder: Path) -> None:
    rows = make("0123456789", 600, "zh")
    columns = {"text": [t for _, t in rows], "label": pa.array([int(c) for c, _ in rows], pa.int8())}
    pq.write_table(pa.table(columns), folder / "data.parquet")


def folders(folder: Path) -> None:
    for i, (label, text) in enumerate(make(("ham", "spam"), 80)):
        path = folder / "mails" / label / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def a_column_of_splits(folder: Path) -> None:
    rows = [("split", "text", "intent")]
    rows += [
        ("test" if i % 7 == 0 else "train", t, c)
        for i, (c, t) in enumerate(make([f"intent {n}" for n in range(30)], 1200))
    ]
    (folder / "all.csv").write_bytes(table(rows))


def many_classes_in_utf16(folder: Path) -> None:
    labels = [f"class_{n:03}" for n in range(300)]
    for name, seed in (("train.tsv", 0), ("test.tsv", 1)):
        text = table([("text", "label"), *((t, c) for c, t in make(labels, 1500, seed=seed))], "\t").decode()
        (folder / name).write_bytes(text.encode("utf-16"))


def describe(folder: Path, **wanted: Any) -> tuple[Corpus, Inspection, list[str]]:
    proposal = settle_corpus(propose_corpus(Wanted(**{"files": [folder], **wanted})))
    corpus = parse_corpus(write_description(proposal.document, proposal.unsure), "corpus.yaml")
    found = inspect_corpus(str(proposal.root), corpus, eval_share=0.05, max_reject_share=0.01)
    return corpus, found, proposal.unsure


FORMS: list[tuple[Callable[[Path], None], dict[str, Any]]] = [
    (
        as_csv,
        {"form": "csv", "language": "en", "classes": ["card", "cash, lost?"], "test": "test.csv", "texts": ("text",)},
    ),
    (without_header, {"form": "csv", "classes": ["1", "2", "3", "4"], "texts": ("column_2", "column_3"), "share": 0.2}),
    (tab_separated, {"form": "tsv", "classes": ["neg", "pos"], "texts": ("sentence",), "quotes": False}),
    (semicolons_in_cp1252, {"form": "csv", "language": "de", "encoding": "cp1252", "delimiter": ";", "label": "Thema"}),
    (json_lines, {"form": "jsonl", "classes": ["1", "2", "3", "4", "5"], "label": "stars", "texts": ("review",)}),
    (packed_json_lines_in_hebrew, {"form": "jsonl", "language": "he", "classes": ["כלכלה", "ספורט"]}),
    (parquet_in_chinese, {"form": "parquet", "language": "zh", "classes": [*"0123456789"]}),
    (folders, {"form": "folders", "classes": ["ham", "spam"]}),
    (a_column_of_splits, {"form": "csv", "label": "intent", "texts": ("text",), "part": ("split", "test")}),
    (many_classes_in_utf16, {"form": "tsv", "encoding": "utf-16", "count": 300, "test": "test.tsv"}),
]


@pytest.mark.parametrize(("write", "wanted"), FORMS, ids=[write.__name__ for write, _ in FORMS])
def test_a_corpus_of_this_form_is_described_and_can_be_learnt_from(
    tmp_path: Path, write: Callable[[Path], None], wanted: dict[str, Any]
) -> None:
    write(tmp_path)
    corpus, found, _ = describe(tmp_path)
    assert found.problem is None
    assert not any(found.rejects.values())
    test = corpus.files.test
    seen = {
        "form": corpus.form,
        "language": corpus.language,
        "encoding": corpus.read.encoding,
        "delimiter": corpus.delimiter,
        "quotes": corpus.read.quotes,
        "label": corpus.label,
        "texts": corpus.texts,
        "classes": [each.value for each in corpus.classes],
        "count": corpus.num_classes,
        "test": test.file,
        "share": test.share,
        "part": (test.column, test.value),
    }
    assert {key: seen[key] for key in wanted} == wanted
    # What chance makes of the rows is known, and these rows are within it.
    assert corpus.distances.noise.keys() >= {"label", "character_pairs"}
    smallest = min(found.card.splits["test"].rows_per_class.values())
    assert (corpus.floors.min_class_examples or 50) <= smallest


def test_what_is_unsure_is_said(tmp_path: Path) -> None:
    rows = [("category", "text"), *make(("1", "2"), 100), ("7", "the only one of its class"), ("", "no class at all")]
    (tmp_path / "train.csv").write_bytes(table(rows))
    corpus, found, unsure = describe(tmp_path)
    assert [each.value for each in corpus.classes] == ["1", "2"]
    assert any("classes: left out" in each and "7" in each for each in unsure)
    assert any("say what they mean" in each for each in unsure)
    assert any("2 rows cannot be used" in each for each in unsure)
    assert len(found.rejects["train.csv"]) == 2


def test_a_test_file_that_is_balanced_on_purpose_is_put_up_with_and_told(tmp_path: Path) -> None:
    uneven = make("aaaaab", 1200)
    for name, rows in (("train.csv", uneven), ("test.csv", make("ab", 600, seed=1))):
        (tmp_path / name).write_bytes(table([("label", "text"), *rows]))
    corpus, _, unsure = describe(tmp_path)
    assert corpus.distances.tolerance["label"] > 0.1
    assert any("distances.tolerance.label" in each for each in unsure)


def test_columns_that_somebody_named(tmp_path: Path) -> None:
    rows = [("title", "body", "topic", "mood"), *((f"{t} x", t, c, "good") for c, t in make(("a", "b"), 100))]
    rows += [("title z", "body of a bad one", "a", "bad")] * 3
    (tmp_path / "train.csv").write_bytes(table(rows))
    corpus, _, _ = describe(tmp_path, label="mood", texts=["body"], test_share=0.3, name="moods")
    assert (corpus.label, corpus.texts, corpus.files.test.share, corpus.name) == ("mood", ("body",), 0.3, "moods")


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b'[{"text": "a", "label": 1}]', "train.json", "not an object a line"),
        (b"PK\x03\x04 and so on", "train.csv", "a ZIP archive or a spreadsheet"),
        (b"one line\nanother one\n", "train.csv", "no table"),
        (b"text,label\nonly one,a\nof each,b\n", "train.csv", "class"),
        (b"  \n", "train.csv", "empty"),
        (b"\x1f\x8b\x08 cut", "train.csv.gz", "cannot be read"),
        (b"PAR1 and so on", "train.parquet", "no Parquet file"),
        (b"text,label\none cell alone\n", "train.csv", "no table"),
        (
            b'kam,"\n\xfe\xff\xff\xff\xff\xff\xff\xff\x07\nyx\0\0\0x\ny",2\n\0""n""$i\npal,"x\ny",z\n',
            "train.csv",
            "encoding",
        ),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "train.jsonl", "not an object a line"),
    ],
)
def test_what_is_no_corpus_is_refused_with_words(tmp_path: Path, content: bytes, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AgnewsError, match=message) as caught:
        describe(tmp_path)
    assert caught.value.fix


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_what_stands_in_rows_gets_no_line_of_the_description(tmp_path: Path, end: str) -> None:
    rows = [("category", "text"), *make(("a", f"b{end}floors: {{}}"), 100)]
    rows += [(f"x{end}golden_texts: {{a: [owned]}}", "the only one of its class")]
    (tmp_path / "train.csv").write_bytes(table(rows))
    corpus, _, unsure = describe(tmp_path)
    assert any("golden_texts:" in each for each in unsure)
    assert not corpus.golden_texts
    assert corpus.floors.min_accuracy is not None
    # A reader may end a line elsewhere than YAML does, but nothing of it becomes a key.
    assert [each.value.split(end)[0] for each in corpus.classes] == ["a", "b"]


def test_rows_with_half_a_character_are_passed_over(tmp_path: Path) -> None:
    rows = [{"label": label, "text": text} for label, text in make(("a", "b"), 100)]
    rows += [{"label": "a\ud800", "text": "half of one"}, {"label": "a", "text": "and \udcff here"}] * 2
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus, found, _ = describe(tmp_path)
    assert [each.value for each in corpus.classes] == ["a", "b"]
    assert len(found.rejects["train.jsonl"]) == 4


def test_a_column_that_is_not_there_and_two_ways_to_name_test_rows(tmp_path: Path) -> None:
    as_csv(tmp_path)
    with pytest.raises(AgnewsError, match="no such column"):
        describe(tmp_path, label="classe")
    with pytest.raises(AgnewsError, match="named twice"):
        describe(tmp_path, files=[tmp_path / "train.csv", tmp_path / "test.csv"], test_share=0.1)
    with pytest.raises(AgnewsError, match="no such file"):
        describe(tmp_path, files=[tmp_path / "trian.csv"])


def test_of_thousands_of_classes_the_column_is_known_by_its_name_and_to_be_looked_at(tmp_path: Path) -> None:
    names = np.random.default_rng(1).permutation(np.repeat(np.arange(1200), 3)).tolist()
    rows = [(f"the {name} {row}", f"part {name}") for row, name in enumerate(names)]
    (tmp_path / "train.csv").write_bytes(table([("text", "intent"), *rows]))
    corpus, inspection, unsure = describe(tmp_path)
    assert (corpus.label_column, corpus.texts, corpus.num_classes) == ("intent", ("text",), 1200)
    assert any(each.startswith("label: hardly a value of intent comes twice") for each in unsure)
    assert not any(inspection.rejects.values())
    (tmp_path / "train.csv").write_bytes(table([("text", "note"), *rows]))
    with pytest.raises(AgnewsError, match="No column looks like a class"):
        describe(tmp_path)


def test_classes_without_test_rows_are_told_and_need_none(tmp_path: Path) -> None:
    for name, classes in (("train.csv", 30), ("test.csv", 27)):
        rows = [(f"the {each} {name} {copy}", f"part {each}") for copy in range(20) for each in range(classes)]
        (tmp_path / name).write_bytes(table([("text", "intent"), *rows]))
    corpus, inspection, unsure = describe(tmp_path)
    assert corpus.floors.min_class_examples == 0
    assert inspection.problem is None
    (said,) = [each for each in unsure if each.startswith("floors.min_class_examples")]
    assert "no test row is of part 27, part 28, part 29; nothing will be known" in said
    assert '"floors":{"min_class_examples":0}' in carried_corpora(corpus, "")["NewsExampleGen"].replace(" ", "")
    strict = corpus.model_copy(update={"floors": corpus.floors.model_copy(update={"min_class_examples": 7})})
    other = corpus.model_copy(update={"floors": corpus.floors.model_copy(update={"min_class_examples": 8})})
    told = [carried_corpora(each, "")["NewsExampleGen"] for each in (strict, other)]
    assert told[0] == told[1], "a floor that only judges makes no rows anew"


@pytest.mark.parametrize("separator", ["|", "; ", None])
def test_several_classes_of_a_text_are_recognised_and_read(separator: str | None, tmp_path: Path) -> None:
    random, words = np.random.default_rng(0), {name: f"{name}ing" for name in ("sport", "film", "money")}
    lines = []
    for number in range(300):
        has = [name for name in words if random.random() < 0.5]
        cell: object = has if separator is None else separator.join(has)
        lines.append(
            {"id": number, "text": f"the {' and '.join(words[each] for each in has)} text {number}", "tags": cell}
        )
    if separator is None:
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        rows = [("id", "text", "tags"), *((str(each["id"]), str(each["text"]), str(each["tags"])) for each in lines)]
        (tmp_path / "train.csv").write_bytes(table(rows))

    corpus, inspection, unsure = describe(tmp_path)

    assert corpus.label_sets is not None
    assert (corpus.label_column, corpus.label_sets.separator) == ("tags", separator and separator.strip())
    assert corpus.label_sets.may_be_empty
    assert corpus.class_names == ("film", "money", "sport")
    assert corpus.texts == ("text",)
    assert any(each.startswith("label:") for each in unsure)
    assert inspection.problem is None
    assert not any(inspection.rejects.values())
    assert sum(split.rows for split in inspection.card.splits.values()) == 300
