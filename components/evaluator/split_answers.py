"""What several models answered on the rows of a split, in one order whatever order they were read in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns
from agnews.schemas.anchor import ANSWERS, Anchor

CANDIDATE, BASELINE, ANCHOR, LINEAR = "candidate", "baseline", "anchor", "linear"


@dataclass(frozen=True)
class SplitAnswers:
    """By rising number of the row.

    Attributes:
        row: (rows,) numbers of the records in the corpus' file.
        label: (rows,) positions of the true classes.
        by_model: (rows,) answers by name of the model: `CANDIDATE`, `BASELINE`, `ANCHOR`, `LINEAR`.
        digest: sha256 over number, label and text of the rows.
    """

    row: NDArray[np.int64]
    label: NDArray[np.int64]
    by_model: dict[str, NDArray[np.int64]]
    digest: str

    def right(self, model: str) -> NDArray[np.bool_]:
        """Where a model's answer is the label, (rows,)."""
        right: NDArray[np.bool_] = self.by_model[model] == self.label
        return right


class AnswerLog:
    """Collects answers a chunk at a time."""

    def __init__(self) -> None:
        self._chunks: dict[str, list[NDArray[np.int64]]] = {}
        self._texts: list[bytes] = []

    def add(
        self,
        *,
        row: NDArray[np.int64],
        label: NDArray[np.int64],
        text: NDArray[np.object_],
        answers: dict[str, NDArray[np.int64]],
    ) -> None:
        """Adds rows; all arrays have the shape (rows,), and every chunk has answers of the same models."""
        for name, values in {"row": row, "label": label, **answers}.items():
            self._chunks.setdefault(name, []).append(values)
        self._texts += [hashlib.sha256(each).digest() for each in text]

    def whole(self) -> SplitAnswers:
        """Puts the chunks together; at least one was added."""
        found = {name: np.concatenate(chunks) for name, chunks in self._chunks.items()}
        row, label = found.pop("row"), found.pop("label")
        order = np.argsort(row, kind="stable")
        digest = hashlib.sha256(row[order].tobytes() + label[order].tobytes())
        for place in order:
            digest.update(self._texts[place])
        return SplitAnswers(
            row[order], label[order], {name: each[order] for name, each in found.items()}, digest.hexdigest()
        )


def write_anchor(folder: str, anchor: Anchor, answers: SplitAnswers, class_id: NDArray[np.int64]) -> None:
    """Writes what is kept of an anchor.

    Args:
        folder: Where to, local or remote.
        anchor: What is known about it.
        answers: The rows.
        class_id: (rows,) its answers.
    """
    files = files_at(folder)
    table = pa.table({columns.ROW: answers.row, columns.LABEL: answers.label, columns.CLASS_ID: class_id})
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    files.write(f"{folder}/{ANSWERS}", [content.getvalue().to_pybytes()])
    files.write(f"{folder}/{Anchor.FILE}", [anchor.json_bytes()])


def read_answers(folder: str) -> NDArray[np.int64]:
    """Reads the answers that an anchor gave, (rows,), by rising row."""
    path = f"{folder}/{ANSWERS}"
    table = pq.read_table(pa.BufferReader(files_at(folder).read_bytes(path)), columns=[columns.CLASS_ID])
    answers: NDArray[np.int64] = table[columns.CLASS_ID].to_numpy()
    return answers
