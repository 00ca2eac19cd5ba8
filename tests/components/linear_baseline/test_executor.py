"""One whole step: from Examples to what a linear model answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from agnews.components.artifact_types import StepReport
from agnews.components.linear_baseline import executor
from agnews.components.linear_baseline.executor import Executor
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import LabelSets
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.linear_check import DOUBTS_FILE, DoubtfulLabel, LinearCheck

pytestmark = pytest.mark.integration

WORDS = ("minister", "coach", "profit", "software")
Rows = Sequence[tuple[str, int | list[int]]]


def rows_of(count: int, *, wrong_every: int = 0) -> Rows:
    """The class is told by a word; every so many rows it is another one."""
    return [
        (f"the {WORDS[row % 4]} said {row}", (row + bool(wrong_every and row % wrong_every == 0)) % 4)
        for row in range(count)
    ]


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., LinearCheck]:
    """Runs the executor on rows by split."""

    def run(splits: Mapping[str, Rows], *, unwanted: str = "", sets: bool = False, **model: object) -> LinearCheck:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for split, rows in splits.items():
            (folder / f"Split-{split}").mkdir(parents=True)
            file = str(folder / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz")
            with tf.io.TFRecordWriter(file, tf.io.TFRecordOptions("GZIP")) as writer:
                for text, label in rows:
                    example = tf.train.Example()
                    example.features.feature["text"].bytes_list.value.append(text.encode())
                    values = label if isinstance(label, list) else [label]
                    example.features.feature["label"].int64_list.value.extend(values)
                    writer.write(example.SerializeToString())
        examples, report = standard_artifacts.Examples(), StepReport()
        examples.uri, report.uri = str(folder), str(folder / "report")
        examples.split_names = encode_split_names(["train", "eval", "test"])
        corpus = packaged_corpus().model_copy(update={"kinds": {"linear": {"model": model}}})
        if sets:
            corpus = corpus.model_copy(update={"label": LabelSets(column="class")})
        settings = {"corpus": corpus.canonical(), "unwanted": unwanted, "code_version": ""}
        Executor().Do({"examples": [examples]}, {"report": [report]}, settings)
        return LinearCheck.read(report.uri, files_at(report.uri).read)

    return run


def test_every_test_row_is_answered_and_the_order_of_files_decides_nothing(check: Callable[..., LinearCheck]) -> None:
    train, test = rows_of(200), rows_of(300, wrong_every=5)[200:]

    found = check({"train": train, "test": test})

    assert (found.skipped, found.train_rows) == ("", 200)
    assert [found.answer(text.encode()) for text, _ in test] == [row % 4 for row in range(200, 300)]
    assert found.accuracy == pytest.approx(0.8)
    assert found.answer(b"a text of no row") == -1
    assert check({"train": train[::-1], "test": test[::-1]}) == found


def test_wrong_labels_of_training_rows_are_found_by_models_that_have_not_learnt_from_them(
    check: Callable[..., LinearCheck], tmp_path: Path
) -> None:
    rows = [(f"{text} {'and on ' * 90}", label) for text, label in rows_of(400, wrong_every=15)]
    planted = {text for (text, label), (_, right) in zip(rows, rows_of(400), strict=True) if label != right}

    labels = check({"train": rows, "test": rows_of(40)}).labels

    assert labels is not None
    assert (labels.rows, labels.in_all) == (400, len(planted))
    assert len(labels.worst) == 20
    assert all(
        len(each.text) == 500 and any(text.startswith(each.text[:-1]) for text in planted) for each in labels.worst
    )
    lines = next(tmp_path.rglob(DOUBTS_FILE)).read_text().splitlines()
    listed = [DoubtfulLabel.model_validate_json(line) for line in lines]
    assert {each.text for each in listed} == planted, "all of them, and whole, for whoever mends them"
    assert [each.label_probability for each in listed[:20]] == [each.label_probability for each in labels.worst]
    assert all(each.label != each.answer and each.answer_probability > 0.5 for each in labels.worst)
    clean = check({"train": rows_of(400), "test": rows_of(40)}).labels
    assert clean is not None
    assert (clean.in_all, clean.worst) == (0, ())


def test_a_class_too_many_or_too_few_is_found_where_texts_have_several(
    check: Callable[..., LinearCheck], tmp_path: Path
) -> None:
    def rows(first: int, last: int) -> list[tuple[str, list[int]]]:
        made = []
        for row in range(first, last):
            marks = [row >> each & 1 for each in range(4)]
            said = " and ".join(word for word, has in zip(WORDS, marks, strict=True) if has)
            made.append((f"{said} spoke {row}", marks))
        return made

    train = rows(0, 480)
    for place in range(3, 480, 40):
        text, marks = train[place]
        train[place] = text, [1 - marks[0], *marks[1:]]
    planted = {text for text, marks in train if (WORDS[0] in text) != marks[0]}
    assert len(planted) == 12

    found = check({"train": train, "eval": rows(480, 560), "test": rows(560, 640)}, sets=True)

    assert found.labels is not None
    # Only where the model is as sure as it is of other rows of the class: not all, and nothing else.
    doubted = {each.text for each in found.labels.worst}
    assert doubted <= planted
    assert len(doubted) >= 6
    assert (found.labels.rows, found.labels.in_all) == (480, len(doubted))
    listed = [
        DoubtfulLabel.model_validate_json(line) for line in next(tmp_path.rglob(DOUBTS_FILE)).read_text().splitlines()
    ]
    assert listed == list(found.labels.worst)
    names = packaged_corpus().class_names
    for each in listed:
        right = [name for name, word in zip(names, WORDS, strict=True) if word in each.text]
        assert each.answer == (" + ".join(right) or "(none)")
        assert each.label != each.answer
        assert each.answer_probability > each.label_probability


def test_nobody_who_does_not_want_to_know_waits_for_it(check: Callable[..., LinearCheck]) -> None:
    found = check({"train": rows_of(8), "test": rows_of(8)}, unwanted="it is linear itself")

    assert (found.accuracy, found.answers) == (None, {})
    assert found.skipped == "it is linear itself"


def test_of_very_many_classes_no_figure_is_told_that_only_says_how_few_rows_it_has_seen(
    check: Callable[..., LinearCheck], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = rows_of(60), rows_of(80)[60:]
    monkeypatch.setattr(executor, "_MOST_CELLS", 4 * 16)
    assert check({"train": train, "test": test}).accuracy == 1.0
    monkeypatch.setattr(executor, "_MOST_CELLS", 4 * 15)
    assert check({"train": train, "test": test}).skipped == "of 4 classes it would have to learn for hours"
    # Where these are all rows there are, nothing is left out.
    assert check({"train": train[:15], "test": test}).skipped == ""


def test_it_is_the_linear_model_that_the_corpus_asks_for(check: Callable[..., LinearCheck]) -> None:
    # The class is told by the first letter of each word and nothing else; single letters do not see where words begin.
    rows = [(f"{'ab' if row % 4 else 'ba'}{row}", row % 4 > 0) for row in range(200)]

    by_letters = check({"train": rows, "test": rows[100:]}, char_ngrams="1-1", word_ngrams=0)
    by_pairs = check({"train": rows, "test": rows[100:]}, char_ngrams="2-2", word_ngrams=0)

    assert by_pairs.accuracy == 1.0
    assert by_letters.accuracy is not None
    assert by_letters.accuracy < 1.0
