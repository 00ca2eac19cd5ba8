from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.corpus_files.find_spans import find_spans
from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.text_key import text_key
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError


def add_span(folder: Path, name: str, rows: int = 40) -> Path:
    span = folder / name
    span.mkdir()
    (span / "train.csv").write_text("".join(f'"{1 + i % 4}","{name} {i}","what happened"\n' for i in range(rows)))
    return span


@pytest.fixture
def spans(folder: Path) -> Path:
    """Three spans beside a test file, made in no order, and things that are no spans."""
    (folder / "train.csv").unlink()
    for name in ("2026-11-22", "2026-02-28", "2026-11-20"):
        add_span(folder, name)
    (folder / "archive").mkdir()
    (folder / "README.md").write_text("What lies here.")
    return folder


def test_all_spans_or_the_newest_are_taken_oldest_first(spans: Path, corpus: Corpus) -> None:
    assert find_spans(str(spans), corpus).names == ("2026-02-28", "2026-11-20", "2026-11-22")
    assert find_spans(f"{spans}/", corpus, 2).names == ("2026-11-20", "2026-11-22")
    assert find_spans(str(spans), corpus, 9).names == ("2026-02-28", "2026-11-20", "2026-11-22")


def test_a_folder_with_a_training_file_has_no_spans(folder: Path, corpus: Corpus) -> None:
    assert find_spans(str(folder), corpus).names == ()


def test_unfinished_spans_are_passed_over_with_a_note_and_do_not_count(spans: Path, corpus: Corpus) -> None:
    (spans / "2026-11-23").mkdir()
    (add_span(spans, "2026-11-24") / "train.csv").write_bytes(b"")
    (add_span(spans, "2026-11-25") / "_INCOMPLETE").touch()
    (add_span(spans, "2026-11-26") / "_temporary").mkdir()
    add_span(spans, "2026-11-27.tmp")
    add_span(spans, ".2026-11-28")
    found = find_spans(str(spans), corpus, 2)
    assert found.names == ("2026-11-20", "2026-11-22")
    for words in (
        "2026-11-23 is passed over: it has no train.csv",
        "2026-11-24 is passed over: train.csv is empty",
        "2026-11-25 is passed over: it is marked as _INCOMPLETE",
        "2026-11-26 is passed over: somebody is writing to it (_temporary)",
        "2026-11-27.tmp is passed over: its name is no date",
        ".2026-11-28 is passed over: its name is no date",
    ):
        assert words in found.notes
    assert len(found.notes) == 6


def test_a_span_of_a_day_to_come_does_not_take_the_window(spans: Path, corpus: Corpus) -> None:
    for name in ("2026-11-23", "2026-11-24", "2062-11-23"):
        add_span(spans, name)
    found = find_spans(str(spans), corpus, 2, today=date(2026, 11, 22))
    # East of Greenwich the 23rd may have begun.
    assert found.names == ("2026-11-22", "2026-11-23")
    assert found.notes == (
        "2062-11-23 is passed over: that day is still to come",
        "2026-11-24 is passed over: that day is still to come",
    )
    with pytest.raises(AgnewsError, match="No span is complete") as caught:
        find_spans(str(spans), corpus, today=date(2025, 1, 1))
    assert "2026-02-28 is passed over: that day is still to come" in str(caught.value.found)


@pytest.mark.parametrize("content", [b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b" \n\n"])
def test_a_span_of_nothing_but_blanks_is_an_empty_one(spans: Path, corpus: Corpus, content: bytes) -> None:
    (add_span(spans, "2026-11-24") / "train.csv").write_bytes(content)
    found = find_spans(str(spans), corpus, today=date(2026, 11, 30))
    assert found.names == ("2026-02-28", "2026-11-20", "2026-11-22")
    assert found.notes == ("2026-11-24 is passed over: train.csv is empty",)


@pytest.mark.parametrize(
    "name",
    [
        "span-1",
        "date=2026-11-22",
        "2026-W47",
        "2026-11",
        "monday",
        "2026/11",
        "2026/11/22",
        "year=2026/month=11/day=22",
    ],
)
def test_spans_of_another_form_are_told_the_form(folder: Path, corpus: Corpus, name: str) -> None:
    (folder / "train.csv").unlink()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    add_span(folder, name)
    with pytest.raises(AgnewsError, match="not named as spans") as caught:
        find_spans(str(folder), corpus)
    assert name in str(caught.value.found)
    assert "YYYY-MM-DD/train.csv" in caught.value.fix


def test_a_name_of_another_form_beside_spans_is_a_note(spans: Path, corpus: Corpus) -> None:
    add_span(spans, "date=2026-11-23")
    assert find_spans(str(spans), corpus, today=date(2026, 11, 30)).notes == (
        "date=2026-11-23 is passed over: its name is no date",
    )


def test_test_rows_of_a_span_are_not_read_and_a_note_says_so(spans: Path, corpus: Corpus) -> None:
    before = read_state(str(spans), packaged_corpus())
    (spans / "2026-11-22" / "test.csv").write_text('"1","a","b"\n')
    after = read_state(str(spans), packaged_corpus())
    assert after.digest == before.digest
    (note,) = after.notes
    assert "test.csv of 1 span is not read" in note


@pytest.mark.parametrize(
    ("name", "problem", "fix"),
    [
        ("2026-11-31", "no date of the calendar", "YYYY-MM-DD"),
        ("2026-13-01", "no date of the calendar", "YYYY-MM-DD"),
        ("20261123", "not written as YYYY-MM-DD", "Rename it to 2026-11-23"),
        ("2026-1-5", "not written as YYYY-MM-DD", "Rename it to 2026-01-05"),
        ("2026_11_23", "not written as YYYY-MM-DD", "Rename it to 2026-11-23"),
    ],
)
def test_names_that_only_look_like_dates_are_errors(
    spans: Path, corpus: Corpus, name: str, problem: str, fix: str
) -> None:
    add_span(spans, name)
    with pytest.raises(AgnewsError) as caught:
        find_spans(str(spans), corpus)
    assert problem in caught.value.problem
    assert f"{spans}/{name}" == caught.value.found
    assert fix in caught.value.fix


def test_spans_beside_a_training_file_are_an_error(spans: Path, corpus: Corpus) -> None:
    (spans / "train.csv").write_text('"1","a","b"\n')
    with pytest.raises(AgnewsError, match=r"both train\.csv and dated spans"):
        find_spans(str(spans), corpus)


def test_spans_without_a_test_file_beside_them_are_an_error(spans: Path, corpus: Corpus) -> None:
    (spans / "test.csv").unlink()
    with pytest.raises(AgnewsError, match=r"needs test\.csv beside them"):
        find_spans(str(spans), corpus)


def test_no_complete_span_is_an_error_that_says_why(spans: Path, corpus: Corpus) -> None:
    for span in spans.glob("2026-*"):
        (span / "_INCOMPLETE").touch()
    with pytest.raises(AgnewsError, match="No span is complete") as caught:
        find_spans(str(spans), corpus)
    assert "2026-02-28 is passed over: it is marked as _INCOMPLETE" in str(caught.value.found)


@pytest.mark.parametrize("source", ["sample", "FOLDER"])
def test_a_window_needs_spans(folder: Path, source: str) -> None:
    with pytest.raises(AgnewsError, match=r"data\.window"):
        read_state(source.replace("FOLDER", str(folder)), packaged_corpus(), 3)


@pytest.mark.integration  # loads TensorFlow
def test_a_folder_of_the_file_layer_has_the_same_spans_and_digest(spans: Path) -> None:
    (spans / "2026-11-23").mkdir()
    assert read_state(f"file://{spans}", packaged_corpus(), 2) == read_state(str(spans), packaged_corpus(), 2)


def test_the_digest_is_that_of_the_files_in_the_window(spans: Path) -> None:
    def digests() -> tuple[str, str]:
        return read_state(str(spans), packaged_corpus()).digest, read_state(str(spans), packaged_corpus(), 2).digest

    everything, newest = digests()
    assert everything != newest
    with (spans / "2026-02-28" / "train.csv").open("a") as file:
        file.write('"1","one","more"\n')
    assert digests()[0] != everything
    assert digests()[1] == newest
    (spans / "2026-11-22").rename(spans / "2026-11-21")
    assert digests()[1] != newest, "the same rows on another day"


def test_the_digest_covers_which_texts_people_have_labelled_and_not_who_did(spans: Path) -> None:
    def labelled(text: str, *people: str) -> str:
        row = {"key": f"{text_key(text):016x}", "text": text, "label": "World", "said": [{"by": by} for by in people]}
        (spans / "2026-11-22" / "provenance.jsonl").write_text(json.dumps(row) + "\n")
        return read_state(str(spans), packaged_corpus()).digest

    before = read_state(str(spans), packaged_corpus()).digest
    one = labelled("one", "ann")
    assert one != before, "rows of other spans go for it"
    assert labelled("one", "ann", "bob") == one, "somebody agrees"
    assert labelled("two", "ann") != one
    (spans / "2026-11-22" / "provenance.jsonl").unlink()
    assert read_state(str(spans), packaged_corpus()).digest == before


@pytest.mark.parametrize("line", ['{"text": "no key"}', '{"key": "zz"}', "[]", '{"key": "00'])
def test_a_damaged_file_of_labels_is_named(spans: Path, line: str) -> None:
    path = spans / "2026-11-22" / "provenance.jsonl"
    path.write_text('{"key": "00000000000000ff"}\n' + line)
    with pytest.raises(AgnewsError) as caught:
        read_state(str(spans), packaged_corpus())
    assert f"{path}, line 2" in str(caught.value)


def test_a_span_of_bad_rows_is_named(spans: Path, corpus: Corpus) -> None:
    (spans / "2026-11-22" / "train.csv").write_text('"9","a","b"\n' * 30)
    problem = inspect_corpus(str(spans), corpus, eval_share=0.2, max_reject_share=0.01).problem
    assert problem is not None
    assert "30 of the 30 records of 2026-11-22/train.csv cannot be used" in problem.problem


def test_spans_in_a_bucket_are_those_of_a_folder(spans: Path, corpus: Corpus, bucket: str) -> None:
    files = files_at(bucket)
    for path in spans.rglob("*.csv"):
        files.write(f"{bucket}/news/{path.relative_to(spans)}", [path.read_bytes()])
    files.write(f"{bucket}/news/README.md", [b"What lies here."])
    assert read_state(f"{bucket}/news", packaged_corpus(), 2) == read_state(str(spans), packaged_corpus(), 2)
    options = {"eval_share": 0.05, "max_reject_share": 0.01, "window": 2}
    there, here = (inspect_corpus(source, corpus, **options).card for source in (f"{bucket}/news", str(spans)))
    assert there.model_copy(update={"source": here.source}) == here


def test_a_bucket_that_cannot_be_reached_is_named(corpus: Corpus, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AgnewsError, match="looking into s3://"):
        find_spans(bucket, corpus)
