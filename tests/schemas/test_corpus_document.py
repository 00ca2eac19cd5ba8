from __future__ import annotations

import pytest

from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.errors import AgnewsError

HEAD = "format: 1\nname: mails\n"


def read(text: str) -> Corpus:
    return parse_corpus(text, "corpus.yaml")


def test_values_of_classes_are_taken_as_they_are_written() -> None:
    corpus = read(HEAD + "classes:\n  01: first\n  yes: agreed\n  1.0: one\n  2026-01-01: day\n  'a: b': colon\n")
    assert [each.value for each in corpus.classes] == ["01", "yes", "1.0", "2026-01-01", "a: b"]
    assert corpus.class_names == ("first", "agreed", "one", "day", "colon")


def test_columns_that_nobody_reads_may_share_a_name() -> None:
    corpus = read(HEAD + "classes: [a, b]\nread: {header: false}\ncolumns: [_, label, _, text]\n")
    assert corpus.columns == ("_", "label", "_", "text")


def test_short_forms_mean_what_long_ones_say() -> None:
    short = read(HEAD + "classes: [ham, spam]\ntexts: body\nfiles: {test: held_out.csv}\ngolden_texts: {ham: hello}\n")
    long = read(
        HEAD + "classes:\n  - {value: ham, name: ham}\n  - {value: spam, name: spam}\ntexts: [body]\n"
        "files: {test: {file: held_out.csv}}\ngolden_texts: {ham: [hello]}\n"
    )
    assert short == long


def test_the_canonical_content_is_read_back_whole_and_knows_no_place() -> None:
    corpus = packaged_corpus()
    assert Corpus.model_validate_json(corpus.canonical()) == corpus
    one, other = (read(f"{HEAD}classes: [b, a]\nfiles: {{root: {root}}}\n") for root in ("here", "there"))
    assert one.canonical() == other.canonical() == read(f"{HEAD}classes: [b, a]\n").canonical()
    for corpus in (one, read(f"{HEAD}classes: [b, a]\nfiles: {{root: here, train: all.csv}}\n")):
        again = Corpus.model_validate_json(corpus.canonical())
        assert (again.canonical(), again.digest) == (corpus.canonical(), corpus.digest)
    assert read(HEAD + "classes: [b, a]\n").digest != read(HEAD + "classes: [a, b]\n").digest


def test_what_a_node_does_not_read_changes_nothing_for_it() -> None:
    corpus = packaged_corpus()
    renamed = corpus.model_copy(update={"title": "News", "golden_texts": {}})
    assert renamed.only("limits").canonical() == corpus.only("limits").canonical()
    assert renamed.only("title").canonical() != corpus.only("title").canonical()
    assert Corpus.model_validate_json(corpus.only("limits").canonical()).class_names == corpus.class_names


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (HEAD + "clases: {a: b}\n", 3, "Did you mean 'classes'"),
        (HEAD + "classes: [a, b]\nfiles:\n  tran: x.csv\n", 5, "Did you mean 'train'"),
        (HEAD + "classes:\n  1: A\n  2: A\n", 5, "found: 'A'"),
        (HEAD + "classes:\n  - a\n  - b\n  - a\n", 6, "the value 'a' stands there more than once"),
        (HEAD + "classes:\n  1: A\n  1: B\n", 5, "twice"),
        (HEAD + "classes:\n  1: yes\n  0: B\n", 4, "quotes"),
        (HEAD + "classes: [a]\n", 3, "at least 2"),
        (HEAD + "classes: [a, b]\nread:\n  encoding: utf-9\n", 5, "no such encoding"),
        (HEAD + "classes: [a, b]\nread: {header: false}\n", 1, "columns"),
        (HEAD + "classes: [a, b]\nread: {header: false}\ncolumns: [x, y]\n", 5, "'label' is none of"),
        (HEAD + "classes: [a, b]\nlabel: text\n", 1, "would tell the answer"),
        (HEAD + "classes: [a, b]\ntexts:\n  - title\n  - body\n  - title\n", 7, "the column 'title' stands there"),
        (
            HEAD + "classes: [a, b]\nread: {header: false}\ncolumns: [label, text, text]\n",
            5,
            "'text' stands there more",
        ),
        (HEAD + "classes: [a, b]\nlabel: {colum: tags}\n", 4, "Did you mean 'column'"),
        (HEAD + "classes: [a, b]\nlabel: {separator: 1}\n", 4, "valid string"),
        (HEAD + 'classes: [a, "b|c"]\nlabel: {separator: "|"}\n', 3, "'b|c' holds '|'"),
        (HEAD + 'classes: [a, " b"]\nlabel: {separator: "|"}\n', 3, "blanks around it"),
        (HEAD + "classes: [a, b]\nread: {format: folders}\nlabel: {}\n", 5, "has one class"),
        (HEAD + "classes: [a, b]\nfiles: {test: {share: 0.2, file: x}}\n", 4, "say one of"),
        (HEAD + "classes: [a, b]\nfiles: {test: {share: 0.9}}\n", 4, "less than or equal to 0.5"),
        (HEAD + "classes: [a, b]\nfiles: {train: ../x.csv}\n", 4, "below it"),
        (HEAD + "classes: [a, b]\ngolden_texts: {c: x}\n", 4, "no class 'c'"),
        (HEAD + "classes: [a, b]\ngolden_texts:\n  a: x\n  c: x\n", 6, "golden_texts.c"),
        (HEAD + "classes: [a, b]\nsettings:\n  text: {}\n  trainng: {}\n", 6, "no section 'trainng'"),
        (HEAD + "classes: [a, b]\nkinds:\n  linear:\n    trainng: {}\n", 6, "kinds.linear.trainng"),
        (HEAD + "classes: [a, b]\ndistances:\n  noise:\n    labels: 1.0\n", 6, "no feature 'labels'"),
        (HEAD + "classes: [a, b]\nlimits: [1]\n", 4, "found: a list"),
        (HEAD + "classes: [a, b\nlimits: {}\n", 4, "no YAML"),
        ("format: 1\nclasses: [a, b]\n", 1, "name is missing"),
    ],
)
def test_a_mistake_names_line_and_key(text: str, line: int, word: str) -> None:
    with pytest.raises(AgnewsError) as caught:
        read(text)
    assert f"corpus.yaml, line {line}" in caught.value.problem
    assert word in str(caught.value)


def test_a_later_format_asks_for_a_newer_agnews() -> None:
    with pytest.raises(AgnewsError, match="later format") as caught:
        read("format: 2\nname: mails\nnews: of the future\n")
    assert "newer agnews" in caught.value.fix


def test_an_unknown_name_lists_those_that_come_along() -> None:
    with pytest.raises(AgnewsError, match="no corpus of this name") as caught:
        packaged_corpus("ag_new")
    assert "Did you mean 'ag_news'?" in caught.value.fix
