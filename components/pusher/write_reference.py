"""Counts what a model that is pushed is at home with, for `agnews monitor` to compare live texts with."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow.parquet as pq

from agnews.components.drift.build_reference import build_reference
from agnews.components.example_files.read_records import read_texts
from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns

_BLOCK = 1024


def write_reference(
    path: str, *, examples: Sequence[str], predictions: str, alphabet: str, classes: Sequence[str]
) -> None:
    """Writes `assets.extra/monitor.json`.

    Args:
        path: The file to write.
        examples: Folders of the raw Examples of the training rows.
        predictions: File of the answers to the test rows.
        alphabet: Characters that the vocabulary has pieces for.
        classes: Names of the classes.
    """
    answered = pq.read_table(
        io.BytesIO(files_at(predictions).read_bytes(predictions)),
        columns=[columns.LABEL, columns.CLASS_ID, columns.PROBABILITIES],
    )
    usable = answered[columns.CLASS_ID].to_numpy() != columns.NO_CLASS
    probabilities = answered[columns.PROBABILITIES].combine_chunks().flatten().to_numpy()
    reference = build_reference(
        (texts.numpy().tolist() for texts in read_texts(examples, rows_at_once=_BLOCK)),
        alphabet=alphabet,
        classes=classes,
        probabilities=probabilities.reshape(-1, len(classes))[usable],
        labels=answered[columns.LABEL].to_numpy()[usable],
    )
    files_at(path).write_text(path, reference.model_dump_json() + "\n")
