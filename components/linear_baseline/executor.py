"""What the node LinearBaseline does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance, get_split_uris

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.evaluator.answer_columns import named
from agnews.components.example_files.read_records import open_records, record_files
from agnews.components.linear.counted_texts import CountedTexts, count_texts
from agnews.components.linear.find_doubtful_labels import find_doubtful_labels
from agnews.components.linear.find_doubtful_sets import find_doubtful_sets, log_probability
from agnews.components.linear.measure_linear import LabelledSets, measure_linear, measure_linear_sets
from agnews.components.linear.score_out_of_fold import score_out_of_fold
from agnews.components.storage.files_at import files_at
from agnews.schemas.features import EVAL, LABEL, TEST, TEXT, TRAIN
from agnews.schemas.learning_config import LinearConfig
from agnews.schemas.linear_check import DOUBTS_FILE, DoubtfulLabel, LabelDoubts, LinearCheck, digest_text

_LOGGER = logging.getLogger(__name__)

_MOST_ROWS = 50_000
"""More would take minutes and memory that the steps around it do not need."""
_MOST_CELLS = 20_000_000
"""Rows times classes, for the same reason."""
_LEAST_OF_CLASS = 4
"""Of fewer rows a class, where more are left out, a model would say how few they are and nothing else."""
_BATCH = 4096
_LEAST_ROWS = 100
"""Of fewer, a model that has learnt from two thirds knows nothing."""
_SHOWN, _MOST_CHARACTERS = 20, 500
_LISTED = 1000
"""More rows than anybody looks at before the next run."""


class Executor(BaseExecutor):
    """Runs the node LinearBaseline.

    Inputs:
        examples: Examples, raw. The splits `train` and `test` are read; where a text has several classes, `eval` too.

    Outputs:
        report: StepReport. Gets `linear_check.json`, an `agnews.schemas.linear_check.LinearCheck`, and
            `doubtful_labels.jsonl`, training rows whose labels look wrong.

    Exec properties:
        corpus: Its classes and the settings of the kind `linear`, from `carry_corpus`.
        unwanted: Why nothing is trained; empty where something is.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class."""
        self._log_startup(input_dict, output_dict, exec_properties)
        corpus = read_carried_corpus(exec_properties["corpus"])
        check, doubts = LinearCheck(skipped=exec_properties["unwanted"]), _NO_DOUBTS
        if not check.skipped:
            settings = LinearConfig.model_validate(corpus.kinds.get("linear", {}).get("model", {}))
            train, held, test = (
                _read(input_dict["examples"], split, corpus.label_shape) for split in (TRAIN, EVAL, TEST)
            )
            if corpus.label_sets is None:
                check, doubts = _measure(train, test, corpus.class_names, settings)
            else:
                check, doubts = _measure_sets(train, held, test, corpus.class_names, settings)
        uri = get_single_instance(output_dict["report"]).uri
        files_at(uri).write(f"{uri}/{DOUBTS_FILE}", [each.model_dump_json().encode() + b"\n" for each in doubts])
        check.write(uri, files_at(uri).write)
        _LOGGER.info("Linear model: %s", check.skipped or f"{check.accuracy:.4f} after {check.train_rows} rows")


_Rows = tuple[list[bytes], NDArray[np.int64]]
_Doubts = tuple[DoubtfulLabel, ...]
_NO_DOUBTS: _Doubts = ()


def _read(examples: list[Artifact], split: str, label_shape: tuple[int, ...]) -> _Rows:
    """Reads the rows of a split, in an order that their content alone decides."""
    specification = {TEXT: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature(label_shape, tf.int64)}
    rows: list[tuple[bytes, Any]] = []
    for file in record_files(get_split_uris(examples, split)):
        for batch in open_records(file).batch(_BATCH):
            parsed = tf.io.parse_example(batch, specification)
            rows += zip(parsed[TEXT].numpy().tolist(), parsed[LABEL].numpy().tolist(), strict=True)
    rows.sort(key=lambda row: (digest_text(row[0]), row))
    labels = np.array([label for _, label in rows], np.int64).reshape(len(rows), *label_shape)
    return [text for text, _ in rows], labels


def _measure(
    train: _Rows, test: _Rows, class_names: Sequence[str], settings: LinearConfig
) -> tuple[LinearCheck, _Doubts]:
    num_classes = len(class_names)
    # Rows lie in the order of their digests, so the first ones are as good as any.
    most = max(1, min(_MOST_ROWS, _MOST_CELLS // num_classes))
    texts, labels = train[0][:most], train[1][:most]
    if not texts or not test[0]:
        return LinearCheck(skipped="there are no rows"), _NO_DOUBTS
    if len(texts) < min(len(train[0]), _LEAST_OF_CLASS * num_classes):
        return LinearCheck(skipped=f"of {num_classes:,} classes it would have to learn for hours"), _NO_DOUBTS
    words, asked = ([text.decode(errors="replace") for text in each] for each in (texts, test[0]))
    counted = count_texts(words, settings)
    found = measure_linear(counted, labels, asked, test[1], num_classes=num_classes)
    doubted, doubts = None, _NO_DOUBTS
    if len(words) >= _LEAST_ROWS:
        doubted, doubts = _list(_doubt(words, counted, labels, class_names), len(words))
    check = LinearCheck(
        train_rows=len(texts),
        accuracy=found.accuracy,
        answers={digest_text(text): answer for text, answer in zip(test[0], found.answers.tolist(), strict=True)},
        labels=doubted,
    )
    return check, doubts


def _measure_sets(
    train: _Rows, held: _Rows, test: _Rows, class_names: Sequence[str], settings: LinearConfig
) -> tuple[LinearCheck, _Doubts]:
    most = max(1, min(_MOST_ROWS, _MOST_CELLS // train[1].shape[1]))
    texts, marks = train[0][:most], train[1][:most]
    if not texts or not held[0] or not test[0]:
        return LinearCheck(skipped="there are no rows"), _NO_DOUBTS
    words, kept, asked = ([text.decode(errors="replace") for text in each] for each in (texts, held[0], test[0]))
    counted = count_texts(words, settings)
    found = measure_linear_sets(counted, marks, LabelledSets(kept, held[1]), LabelledSets(asked, test[1]))
    doubted, doubts = None, _NO_DOUBTS
    if len(words) >= _LEAST_ROWS:
        doubted, doubts = _list(_doubt_sets(words, counted, marks, class_names), len(words))
    given = (np.flatnonzero(row).tolist() for row in found.answers)
    check = LinearCheck(
        train_rows=len(texts),
        accuracy=found.accuracy,
        answers={digest_text(text): tuple(answer) for text, answer in zip(test[0], given, strict=True)},
        labels=doubted,
    )
    return check, doubts


def _doubt(
    texts: Sequence[str], counted: CountedTexts, labels: NDArray[np.int64], class_names: Sequence[str]
) -> list[DoubtfulLabel]:
    # Words say nearly as much as characters besides, in a quarter of the time; some languages have no spaces.
    probabilities = score_out_of_fold(counted.without_characters(), labels, num_classes=len(class_names))
    doubtful = find_doubtful_labels(labels, probabilities)
    answers = probabilities.argmax(axis=1)
    # Where the likeliest class is the label, it is not sure enough of it for that class.
    shown = [row for row in doubtful.tolist() if answers[row] != labels[row]]
    return [
        DoubtfulLabel(
            text=texts[row],
            label=class_names[labels[row]],
            answer=class_names[answers[row]],
            label_probability=float(probabilities[row, labels[row]]),
            answer_probability=float(probabilities[row, answers[row]]),
        )
        for row in shown
    ]


def _doubt_sets(
    texts: Sequence[str], counted: CountedTexts, marks: NDArray[np.int64], class_names: Sequence[str]
) -> list[DoubtfulLabel]:
    probabilities = score_out_of_fold(counted.without_characters(), marks, num_classes=len(class_names))
    rows, mended = find_doubtful_sets(marks, probabilities)
    shares, given = probabilities[rows], marks[rows]
    of_label, of_answer = (np.exp(log_probability(shares, each)).tolist() for each in (given, mended))
    return [
        DoubtfulLabel(
            text=texts[row],
            label=named(np.flatnonzero(label).tolist(), class_names) or "",
            answer=named(np.flatnonzero(answer).tolist(), class_names) or "",
            label_probability=before,
            answer_probability=after,
        )
        for row, label, answer, before, after in zip(rows.tolist(), given, mended, of_label, of_answer, strict=True)
    ]


def _list(doubted: Sequence[DoubtfulLabel], rows: int) -> tuple[LabelDoubts, _Doubts]:
    """What a report shows of doubtful rows, and what is listed for whoever mends them."""
    doubts = tuple(doubted[:_LISTED])
    worst = tuple(each.model_copy(update={"text": _cut(each.text)}) for each in doubts[:_SHOWN])
    return LabelDoubts(rows=rows, in_all=len(doubted), worst=worst), doubts


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
