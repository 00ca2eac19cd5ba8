"""Counts what a model that is pushed is at home with, and learns a second opinion on texts to label."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel

from agnews.components.drift.build_reference import build_reference
from agnews.components.drift.measure_texts import MeasuredTexts
from agnews.components.evaluator.answer_columns import exact, from_column
from agnews.components.evaluator.answered_rows import AnsweredRows, open_predictions
from agnews.components.example_files.read_records import open_records, record_files
from agnews.components.second_opinion.fit_hashed_words import SampledRows, fit_hashed_words
from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns
from agnews.schemas.features import LABEL, TEXT
from agnews.schemas.linear_reference import LINEAR_FILE
from agnews.schemas.monitor_reference import MONITOR_FILE

_BLOCK = 1024
_LEAST_SHARE = 0.7
"""Of the model's accuracy, for a linear model to be asked."""


def write_reference(
    folder: str, *, examples: Sequence[str], predictions: str, alphabet: str, classes: Sequence[str]
) -> dict[str, str]:
    """Writes `monitor.json`, and `linear.json` where a linear model has something to say.

    Args:
        folder: Where to write.
        examples: Folders of the raw Examples of the training rows.
        predictions: File of the answers to the test rows.
        alphabet: Characters that the vocabulary has pieces for.
        classes: Names of the classes.

    Returns:
        The files, by their places in the folder of a version.
    """
    rows = AnsweredRows(open_predictions(predictions), len(classes))
    answered = rows.table
    answers, labels = (from_column(answered[name], len(classes)) for name in (columns.CLASS_ID, columns.LABEL))
    one_class = labels.ndim == 1
    usable = answers.reshape(len(answers), -1)[:, 0] != columns.NO_CLASS
    likeliest, confidence = np.zeros(len(labels), np.int64), np.zeros(len(labels), np.float32)
    for block, shares in rows.blocks():
        likeliest[block], confidence[block] = shares.argmax(axis=1), shares.max(axis=1)
    watched = labels.astype(np.int64)
    if not one_class:
        # What is watched is the likeliest class: it is right where it is one of the text's.
        watched = np.where(labels[np.arange(len(labels)), likeliest] > 0, likeliest, columns.NO_CLASS)
    train = _LinearRows()
    reference = build_reference(
        train.texts(_rows(examples, one_class)),
        alphabet=alphabet,
        classes=classes,
        answers=likeliest[usable],
        confidence=confidence[usable],
        labels=watched[usable],
        on_measured=train.take if one_class else lambda texts, measured: None,
    )
    written: dict[str, BaseModel] = {MONITOR_FILE: reference}
    # People are asked for one class a text: where it may have several, nobody is.
    linear = (
        fit_hashed_words(train.sampled, answered[columns.TEXT].to_pylist(), watched, classes) if one_class else None
    )
    # Of languages without spaces it knows nothing, and then it disagrees about everything.
    if linear is not None and linear.accuracy >= _LEAST_SHARE * float(exact(answers, labels).mean()):
        written[LINEAR_FILE] = linear
    for name, each in written.items():
        path = f"{folder}/{posixpath.basename(name)}"
        files_at(path).write_text(path, each.model_dump_json() + "\n")
    return {name: f"{folder}/{posixpath.basename(name)}" for name in written}


class _LinearRows:
    """Rows to learn from, as they are measured on their way to the reference."""

    def __init__(self) -> None:
        self.sampled = SampledRows()
        self._labels = np.zeros(0, np.int64)

    def texts(self, rows: Iterable[tuple[Sequence[bytes], NDArray[np.int64]]]) -> Iterator[Sequence[bytes]]:
        for texts, labels in rows:
            self._labels = labels
            yield texts

    def take(self, texts: Sequence[bytes], measured: MeasuredTexts) -> None:
        self.sampled.add(texts, measured, self._labels)


def _rows(folders: Sequence[str], one_class: bool) -> Iterator[tuple[Sequence[bytes], NDArray[np.int64]]]:
    specification = {TEXT: tf.io.FixedLenFeature([], tf.string)}
    if one_class:
        specification[LABEL] = tf.io.FixedLenFeature([], tf.int64)
    for file in record_files(folders):
        for serialized in open_records(file).batch(_BLOCK):
            parsed = tf.io.parse_example(serialized, specification)
            yield parsed[TEXT].numpy().tolist(), parsed[LABEL].numpy() if one_class else np.zeros(0, np.int64)
