"""From labels to rows: what people agree on, in the form of the corpus, and what is taken back."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agnews.components.corpus_files.find_spans import INCOMPLETE
from agnews.components.corpus_files.open_corpus_file import open_corpus_file
from agnews.components.corpus_files.read_records import read_records
from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.components.feedback.choose_texts import LoggedText, choose_texts
from agnews.components.feedback.collect_labels import collect_labels, read_labelled
from agnews.components.feedback.erase_person import erase
from agnews.components.feedback.find_disagreements import SecondOpinion, find_disagreements
from agnews.components.feedback.label_store import keep_labels, read_labels
from agnews.components.feedback.random_share import SHARE, is_in_random_share
from agnews.components.feedback.read_logged_texts import read_logged_texts
from agnews.components.feedback.resolve_labels import resolve_labels
from agnews.components.feedback.training_rows import queue_training_rows, read_training_rows
from agnews.components.feedback.write_rows import write_rows
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.read_requests import read_requests
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.components.second_opinion.fit_hashed_words import SampledRows, fit_hashed_words
from agnews.components.second_opinion.hashed_words import HashedWords
from agnews.components.storage.files import Tagged
from agnews.components.storage.local_files import LocalFiles
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import GivenLabel, Label, Source
from agnews.schemas.linear_check import DoubtfulLabel

AG_NEWS = packaged_corpus()
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LEARNT = [f"r{number}" for number in range(100) if not is_in_random_share(f"r{number}/0")]
RANDOM = [f"r{number}" for number in range(400) if is_in_random_share(f"r{number}/0")]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_at(str(tmp_path / "log"))


def log_texts(places: Places, texts: dict[str, str]) -> None:
    log = RequestLog(LogSettings(places))
    log.start()
    for request, text in texts.items():
        answer = {"label": np.array([b"World"], object), "probabilities": np.array([[0.7, 0.1, 0.1, 0.1]], np.float32)}
        log.offer(request, "1", [text.encode()], answer, 0.01)
    log.close()


def label(text: str, name: str, by: str, minutes: int = 0, row: str = "") -> Label:
    at = NOW + timedelta(minutes=minutes)
    return Label(id="x", row=row, text=text, label=name, by=by, at=at, source=Source.API)


def test_of_one_person_the_newest_counts_two_who_disagree_leave_it_open_and_a_third_decides() -> None:
    labels = [
        label("A text", "Sports", "ann"),
        label("a  TEXT", "World", "ann", 1),
        label("other", "Sports", "ann"),
        label("other", "World", "bob", 1),
        label("same", "Sports", "ann"),
        label("same", "Sports", "bob"),
        label("", "Sports", "ann", row="gone/0"),
        label("third", "Sports", "ann"),
        label("third", "World", "bob"),
        label("third", "World", "carl"),
        label("four", "Sports", "ann"),
        label("four", "Sports", "bob"),
        label("four", "World", "carl"),
        label("four", "Business", "dan"),
    ]
    found, unknown = resolve_labels(labels, {})
    assert [(each.text, each.label) for each in found] == [
        ("a  TEXT", "World"),
        ("other", None),
        ("same", "Sports"),
        ("third", "World"),
        ("four", None),
    ]
    assert [each.row for each in unknown] == ["gone/0"]


def test_the_random_share_is_a_tenth_and_does_not_depend_on_anything_else() -> None:
    share = np.mean([is_in_random_share(f"id-{number}/0") for number in range(20_000)])
    assert abs(share - SHARE) < 0.01
    assert not is_in_random_share("")


def test_the_queue_asks_about_conflicts_then_every_third_at_random_then_where_the_model_is_torn() -> None:
    rows = [*LEARNT[:4], *RANDOM[:2]]
    margins = [(0.5, 0.49), (0.9, 0.1), (0.6, 0.4), (0.8, 0.2), (0.99, 0.01), (0.98, 0.02)]
    logged = [LoggedText(f"{row}/0", f"text {row}", "World", margin) for row, margin in zip(rows, margins, strict=True)]
    chosen = choose_texts(logged, [])
    assert [each.why for each in chosen] == ["random", "uncertain", "uncertain", "random", "uncertain", "uncertain"]
    assert [each.row for each in chosen if each.why == "uncertain"] == [f"{LEARNT[n]}/0" for n in (0, 2, 3, 1)]

    said = [label(f"text {LEARNT[1]}", "Sports", "ann"), label(f"text {LEARNT[1]}", "World", "bob")]
    said.append(label(f"text {LEARNT[0]}", "World", "ann"))
    labelled, _ = resolve_labels(said, {})
    first = choose_texts(logged, labelled, by="carl")[0]
    assert (first.row, first.why) == (f"{LEARNT[1]}/0", "conflict")
    assert all(each.why != "conflict" for each in choose_texts(logged, labelled, by="ann")), "nobody is asked twice"
    assert f"{LEARNT[0]}/0" not in {each.row for each in choose_texts(logged, labelled, by="carl")}
    assert choose_texts(logged, labelled)[0].why == "conflict", "whoever it is"


def test_where_a_linear_model_disagrees_most_is_asked_in_turn() -> None:
    rows = [*LEARNT[:5], *RANDOM[:2]]
    margins = [(0.5, 0.49), (0.6, 0.4), (0.9, 0.1), (0.95, 0.05), (0.99, 0.01), (0.97, 0.03), (0.98, 0.02)]
    logged = [LoggedText(f"{row}/0", f"text {row}", "World", margin) for row, margin in zip(rows, margins, strict=True)]
    apart = {f"{LEARNT[0]}/0": 0.3, f"{LEARNT[3]}/0": 0.6, f"{LEARNT[4]}/0": 0.9, f"{RANDOM[0]}/0": 0.99}
    chosen = choose_texts(logged, [], disagreements=apart)
    expected = ["random", "uncertain", "disagreement", "random", "uncertain", "disagreement", "uncertain"]
    assert [each.why for each in chosen] == expected
    assert [each.row for each in chosen if each.why == "disagreement"] == [f"{LEARNT[n]}/0" for n in (4, 3)]
    assert [each.row for each in chosen if each.why == "uncertain"] == [f"{LEARNT[n]}/0" for n in (0, 1, 2)]
    assert len({each.row for each in chosen}) == len(logged), "each text once"


def test_a_linear_model_of_words_is_asked_about_each_text_once_and_about_its_own_classes_only(
    words: HashedWords, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = (0.98, 0.02)
    logged = [
        LoggedText("a/0", "a goal and a match", "World", sure),
        LoggedText("b/0", "the war and the army", "World", sure),
        LoggedText("c/0", "another match", "World", (0.51, 0.49)),
        LoggedText("d/0", "a goal of another model", "World", (0.9, 0.05, 0.05)),
        LoggedText("e/0", "a goal whose classes had another order", "Sports", sure),
    ]
    found = find_disagreements(logged, words)
    assert set(found) == {"a/0", "c/0"}
    assert 0.4 < found["c/0"] < found["a/0"] <= 1.0

    asked: list[str] = []
    answer = words.probabilities
    monkeypatch.setattr(words, "probabilities", lambda texts: (asked.extend(texts), answer(texts))[1])
    monkeypatch.setattr("agnews.components.feedback.find_disagreements.read_hashed_words", lambda folder: words)
    opinion = SecondOpinion()
    assert opinion.disagreements("v1", logged[:2]) == {"a/0": found["a/0"]}
    assert opinion.disagreements("v1", logged[1:]) == {"c/0": pytest.approx(found["c/0"])}
    assert sorted(asked) == sorted(each.text for each in logged if each.row != "d/0")


@pytest.fixture
def words() -> HashedWords:
    texts = ["the war and the army", "an army in a war", "a goal and a match", "the match after a goal"] * 5
    train = SampledRows()
    block = [text.encode() for text in texts]
    train.add(block, measure_texts(block, Alphabet("")), np.array([0, 0, 1, 1] * 5))
    found = fit_hashed_words(train, texts, np.array([0, 0, 1, 1] * 5), ("World", "Sports"))
    assert found is not None
    return HashedWords(found)


def doubt(text: str, label: str = "World", answer: str = "Sports") -> DoubtfulLabel:
    return DoubtfulLabel(text=text, label=label, answer=answer, label_probability=0.1, answer_probability=0.8)


def test_training_rows_are_asked_about_in_turn_and_their_labels_reach_the_next_span(
    places: Places, tmp_path: Path
) -> None:
    doubts = [doubt("the first doubt"), doubt("the second doubt"), doubt("the third doubt")]
    assert queue_training_rows(places, "20261129T1", doubts) == 3
    assert queue_training_rows(places, "20261129T1", doubts) == 3, "sent again is there once"
    queue_training_rows(places, "20261130T1", [doubt("The  third DOUBT", answer="Business")])
    training = read_training_rows(places)
    assert [(each.text, each.answer) for each in training] == [
        ("The  third DOUBT", "Business"),
        ("the first doubt", "Sports"),
        ("the second doubt", "Sports"),
    ]
    log_texts(places, {LEARNT[0]: "a text", LEARNT[1]: "the second doubt", RANDOM[0]: "a random one"})
    logged = read_logged_texts(places, datetime(2020, 1, 1, tzinfo=UTC))
    chosen = choose_texts(logged, [], training=training)
    assert [each.why for each in chosen] == ["random", "uncertain", "training", "training", "training"]
    assert [(each.text, each.label, each.answer) for each in chosen[2:]] == [
        ("The  third DOUBT", "World", "Business"),
        ("the first doubt", "World", "Sports"),
        ("the second doubt", "World", "Sports"),
    ]
    assert not any(is_in_random_share(each.row) for each in chosen[2:]), "what is learnt from measures nothing"

    third, first, second = chosen[2:]
    said = [(third, "Business", "ann"), (first, "World", "ann"), (second, "Sports", "ann"), (second, "World", "bob")]
    keep_labels(places, [GivenLabel(request=row.row, label=name, by=by) for row, name, by in said], Source.QUEUE)
    labelled, unknown = read_labelled(places)
    assert not unknown
    (conflict, *_) = choose_texts(logged, labelled, by="carl", training=training)
    assert (conflict.text, conflict.why, conflict.label) == ("the second doubt", "conflict", "World")
    data = tmp_path / "data"
    found = collect_labels(places, AG_NEWS, str(data), "2026-11-29")
    assert (found.train, found.test, found.conflicts) == (2, 0, 1)
    rows = [json.loads(line) for line in (data / "2026-11-29" / "provenance.jsonl").read_text().splitlines()]
    assert [(row["text"], row["label"], row["said"][0]["row"], row["said"][0]["by"]) for row in rows] == [
        ("The  third DOUBT", "Business", third.row, "ann"),
        ("the first doubt", "World", first.row, "ann"),
    ]


def test_labels_of_requests_become_a_span_that_reads_back_and_the_random_share_a_test_pool(
    places: Places, tmp_path: Path
) -> None:
    texts = {LEARNT[0]: 'He said "no",\nand left', LEARNT[1]: "caf\u00e9", RANDOM[0]: "a random one"}
    log_texts(places, texts)
    given = [GivenLabel(request=request, label="Sports", by="ann") for request in texts]
    keep_labels(places, [*given, GivenLabel(request="never-logged", label="World", by="ann")], Source.QUEUE)
    data = tmp_path / "data"
    found = collect_labels(places, AG_NEWS, str(data), "2026-11-29", dry_run=True)
    assert (found.train, found.test, found.unknown_text) == (2, 1, 1)
    assert not data.exists()
    found = collect_labels(places, AG_NEWS, str(data), "2026-11-29")
    assert sorted(path.name for path in (data / "2026-11-29").iterdir()) == ["provenance.jsonl", "train.csv"]
    records = list(read_records(str(data / "2026-11-29" / "train.csv"), AG_NEWS))
    assert [(each.text.strip(), each.label) for each in records] == [('He said "no",\nand left', 1), ("caf\u00e9", 1)]
    said = json.loads((data / "2026-11-29" / "provenance.jsonl").read_text().splitlines()[0])["said"]
    assert [(each["by"], each["row"], each["source"]) for each in said] == [("ann", f"{LEARNT[0]}/0", "queue")]
    (pool,) = Path(places.test_pool).rglob("train.csv")
    assert [each.text.strip() for each in read_records(str(pool), AG_NEWS)] == ["a random one"]
    before = (data / "2026-11-29" / "train.csv").read_bytes()
    again = collect_labels(places, AG_NEWS, str(data), "2026-11-29")
    assert again == found
    assert (data / "2026-11-29" / "train.csv").read_bytes() == before
    later = collect_labels(places, AG_NEWS, str(data), "2026-11-30")
    assert (later.train, later.known) == (0, 2)
    assert not (data / "2026-11-30").exists()


def test_a_label_that_changed_goes_from_the_earlier_span_to_the_new_one(places: Places, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = [GivenLabel(text=text, label="Sports", by="ann", at=NOW) for text in ("one", "two", "three")]
    keep_labels(places, first, Source.API)
    collect_labels(places, AG_NEWS, data, "2026-11-28")
    later = NOW + timedelta(hours=1)
    keep_labels(places, [GivenLabel(text="one", label="World", by="ann", at=later)], Source.API)
    keep_labels(places, [GivenLabel(text="two", label="World", by="bob", at=later)], Source.API)
    found = collect_labels(places, AG_NEWS, data, "2026-11-29")
    assert (found.train, found.changed, found.conflicts) == (1, 2, 1)
    spans = {
        day: [(each.text.strip(), each.label) for each in read_records(f"{data}/{day}/train.csv", AG_NEWS)]
        for day in ("2026-11-28", "2026-11-29")
    }
    assert spans == {"2026-11-28": [("three", 1)], "2026-11-29": [("one", 0)]}


def test_rows_of_somebody_else_are_not_touched(places: Places, tmp_path: Path) -> None:
    (tmp_path / "2026-11-29").mkdir()
    (tmp_path / "2026-11-29" / "train.csv").write_text('"1","a","b"\n')
    keep_labels(places, [GivenLabel(text="one", label="Sports", by="ann")], Source.API)
    with pytest.raises(AgnewsError, match="holds rows that are no collected labels"):
        collect_labels(places, AG_NEWS, str(tmp_path), "2026-11-29")
    assert (tmp_path / "2026-11-29" / "train.csv").read_text() == '"1","a","b"\n'


TEXTS = ("plain", 'quotes " and, commas', "tabs\tand\nlines", "caf\u00e9", "  spaces ")


@pytest.mark.parametrize(
    ("train", "settings"),
    [
        ("train.csv", {}),
        ("train.csv.gz", {}),
        ("train.csv", {"read": {"header": False}, "columns": ("id", "label", "text")}),
        ("train.tsv", {}),
        ("train.tsv", {"read": {"quotes": False}}),
        ("train.csv", {"read": {"delimiter": ";", "encoding": "cp1252"}}),
        ("train.jsonl", {}),
        ("train.parquet", {}),
        ("train", {"read": {"format": "folders"}}),
        ("train.csv", {"texts": ("title", "text")}),
    ],
)
def test_what_is_written_is_read_as_the_corpus_file_describes(
    train: str, settings: dict[str, object], tmp_path: Path
) -> None:
    base = {"format": 1, "name": "toy", "files": {"train": train, "test": {"share": 0.2}}, **settings}
    base["classes"] = ({"value": "a", "name": "A"}, {"value": "b", "name": "B"})
    corpus = Corpus.model_validate(base)
    rows = [(text, "AB"[number % 2]) for number, text in enumerate(TEXTS)]
    write_rows(str(tmp_path / train), rows, corpus)
    found = {(each.text.strip(), each.label) for each in read_records(str(tmp_path / train), corpus)}
    loses_lines = corpus.is_table and not corpus.read.quotes
    wanted = {
        (" ".join(text.split()) if loses_lines else text.strip(), number % 2) for number, text in enumerate(TEXTS)
    }
    assert found == wanted


def test_a_text_that_the_encoding_does_not_have_is_named(tmp_path: Path) -> None:
    corpus = AG_NEWS.model_copy(update={"read": AG_NEWS.read.model_copy(update={"encoding": "latin-1"})})
    with pytest.raises(AgnewsError, match="latin-1"):
        write_rows(str(tmp_path / "train.csv"), [("\u4e2d", "World")], corpus)
    assert not (tmp_path / "train.csv").exists()


def test_what_is_erased_is_nowhere(places: Places, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    texts = {LEARNT[0]: "Ann Lee lives here", LEARNT[1]: "nobody in particular", RANDOM[0]: "Ann Lee again"}
    log_texts(places, texts)
    keep_labels(places, [GivenLabel(request=each, label="World", by="bob") for each in texts], Source.QUEUE)
    keep_labels(places, [GivenLabel(text="ann lee  LIVES here", label="World", by="eve")], Source.API)
    collect_labels(places, AG_NEWS, data, "2026-11-29")
    queue_training_rows(places, "run", [doubt("ann lee lives  here"), doubt("somebody else")])
    found = erase(places, requests=[LEARNT[0], f"{RANDOM[0]}/0"], data=data, corpus=AG_NEWS)
    assert (found.requests, found.labels, found.rows) == (2, 3, 3)
    assert [each.text for each in read_training_rows(places)] == ["somebody else"]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"ann lee" not in everything.lower()
    assert read_requests(places, datetime(2020, 1, 1, tzinfo=UTC))["text"].to_pylist() == ["nobody in particular"]
    assert erase(places, by=["bob"], data=data, corpus=AG_NEWS).labels == 1
    assert read_labels(places) == []
    assert read_labelled(places) == ([], 0)
    assert not (tmp_path / "data" / "2026-11-29").exists()


def test_files_that_a_killed_process_left_stop_no_erasure_and_go_with_it(places: Places, tmp_path: Path) -> None:
    data = tmp_path / "data"
    log_texts(places, {LEARNT[0]: "Ann Lee lives here"})
    keep_labels(places, [GivenLabel(text="Ann Lee again", label="World", by="bob")], Source.API)
    collect_labels(places, AG_NEWS, str(data), "2026-11-29")
    queue_training_rows(places, "run", [doubt("somebody else")])
    own = tmp_path / "data" / ".notes.new"
    own.write_text("of the user")
    left = [
        path.with_name(f".{path.name}.0123456789abcdef.new")
        for path in sorted([*tmp_path.rglob("*.jsonl"), *tmp_path.rglob("*.csv"), *tmp_path.rglob("*.parquet")])
    ]
    assert len(left) == 5
    for path in left:
        path.write_text('{"text": "Ann Le')
        os.utime(path, (0, 0))
    busy = Path(places.feedback) / ".x.jsonl.fedcba9876543210.new"
    busy.write_text('{"text": "somebody')
    found = erase(places, texts=["Ann Lee again", "Ann Lee lives here"], data=str(data), corpus=AG_NEWS)
    assert (found.requests, found.labels, found.rows) == (1, 1, 1)
    assert b"Ann" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert busy.exists(), "somebody may be writing it"
    assert own.exists()


class Killed(BaseException):
    pass


@contextmanager
def killed_after(left: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kills at a change of a file; a folder may have lost one of its files by then."""
    tally = iter(range(left))

    def killing(real: Callable[..., None]) -> Callable[..., None]:
        def act(self: LocalFiles, path: str, *rest: object) -> None:
            if next(tally, None) is None:
                if real.__name__ == "remove":
                    min(Path(path).iterdir()).unlink()
                raise Killed
            real(self, path, *rest)

        return act

    with monkeypatch.context() as patch:
        for name in ("write", "write_private", "replace", "remove_file", "remove"):
            patch.setattr(LocalFiles, name, killing(getattr(LocalFiles, name)))
        yield


@pytest.mark.parametrize("kept", [["somebody else"], []])
def test_what_is_erased_is_nowhere_whenever_the_command_was_killed_and_given_again(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str]
) -> None:
    data = tmp_path / "data"
    for number in range(20):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        given = [GivenLabel(text=text, label="World", by="bob", at=NOW) for text in ["Ann Lee", *kept]]
        keep_labels(places, given, Source.API)
        collect_labels(places, AG_NEWS, str(data), "2026-11-29")
        killed = False
        with killed_after(number, monkeypatch):
            try:
                erase(places, texts=["Ann Lee"], data=str(data), corpus=AG_NEWS)
            except Killed:
                killed = True
        erase(places, texts=["Ann Lee"], data=str(data), corpus=AG_NEWS)
        assert b"Ann" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        rows = {path: [each.text.strip() for each in read_records(str(path), AG_NEWS)] for path in data.rglob("*.csv")}
        assert list(rows.values()) == ([kept] if kept else [])
        assert not list(data.rglob(INCOMPLETE))
        if not killed:
            return
    raise AssertionError("it was killed every time")


def test_a_span_whose_writing_was_cut_is_written_to_the_end_by_the_next_collection(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_labels(places, [GivenLabel(text="one", label="World", by="bob", at=NOW)], Source.API)
    with killed_after(2, monkeypatch), pytest.raises(Killed):
        collect_labels(places, AG_NEWS, str(tmp_path), "2026-11-28")
    assert not (tmp_path / "2026-11-28" / "train.csv").exists()
    assert collect_labels(places, AG_NEWS, str(tmp_path), "2026-11-29").known == 1
    assert [each.text.strip() for each in read_records(str(tmp_path / "2026-11-28" / "train.csv"), AG_NEWS)] == ["one"]
    assert not list(tmp_path.rglob(INCOMPLETE))


def test_labels_can_be_kept_in_a_bucket(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGNEWS_SPOOL", str(tmp_path / "spool"))
    places = places_at(f"{bucket}/log")
    keep_labels(places, [GivenLabel(text="one", label="Sports", by="ann")], Source.API)
    collect_labels(places, AG_NEWS, f"{bucket}/data", "2026-11-29")
    with open_corpus_file(f"{bucket}/data/2026-11-29/train.csv", AG_NEWS) as stream:
        assert io.BytesIO(stream.read()).getvalue() == b"2,one,\n"


def test_what_two_erase_at_once_does_not_come_back(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [GivenLabel(text=f"text {number}", label="Sports", by="ann") for number in range(3)]
    keep_labels(places, given, Source.API)
    read, calls = LocalFiles.read_tagged, []

    def read_and_let_another_erase(self: LocalFiles, path: str) -> Tagged:
        found = read(self, path)
        if path.endswith(".jsonl") and not calls:
            calls.append(path)
            erase(places, texts=["text 0"])
        return found

    monkeypatch.setattr(LocalFiles, "read_tagged", read_and_let_another_erase)
    assert erase(places, texts=["text 1"]).labels == 1
    assert [each.text for each in read_labels(places)] == ["text 2"]
