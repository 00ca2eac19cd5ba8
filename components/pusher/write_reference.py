"""Counts what a model that is pushed is at home with, and learns a second opinion on texts to label."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import BaseModel

from agnews.components.drift.build_reference import build_reference
from agnews.components.drift.measure_texts import MeasuredTexts
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
    answered = pq.read_table(
        io.BytesIO(files_at(predictions).read_bytes(predictions)),
        columns=[columns.TEXT, columns.LABEL, columns.CLASS_ID, columns.PROBABILITIES],
    )
    answers = answered[columns.CLASS_ID].to_numpy()
    labels = answered[columns.LABEL].to_numpy()
    usable = answers != columns.NO_CLASS
    probabilities = answered[columns.PROBABILITIES].combine_chunks().flatten().to_numpy()
    train = _LinearRows()
    reference = build_reference(
        train.texts(_rows(examples)),
        alphabet=alphabet,
        classes=classes,
        probabilities=probabilities.reshape(-1, len(classes))[usable],
        labels=labels[usable],
        on_measured=train.take,
    )
    written: dict[str, BaseModel] = {MONITOR_FILE: reference}
    linear = fit_hashed_words(train.sampled, answered[columns.TEXT].to_pylist(), labels, classes)
    # Of languages without spaces it knows nothing, and then it disagrees about everything.
    if linear is not None and linear.accuracy >= _LEAST_SHARE * float(np.mean(answers == labels)):
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


def _rows(folders: Sequence[str]) -> Iterator[tuple[Sequence[bytes], NDArray[np.int64]]]:
    specification = {TEXT: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    for file in record_files(folders):
        for serialized in open_records(file).batch(_BLOCK):
            parsed = tf.io.parse_example(serialized, specification)
            yield parsed[TEXT].numpy().tolist(), parsed[LABEL].numpy()
