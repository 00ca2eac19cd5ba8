"""What several models answered on the rows of a split, in one order whatever order they were read in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agnews.components.evaluator.answer_columns import Answers, as_column, exact, from_column
from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns
from agnews.schemas.anchor import ANSWERS, Anchor

CANDIDATE, BASELINE, ANCHOR, LINEAR = "candidate", "baseline", "anchor", "linear"


@dataclass(frozen=True)
class SplitAnswers:
    """By rising number of the row.

    Attributes:
        row: (rows,) numbers of the records in the corpus' file.
        label: (rows,) positions of the true classes; where a row has several, a mark for each, (rows, classes).
        by_model: `Answers` by name of the model: `CANDIDATE`, `BASELINE`, `ANCHOR`, `LINEAR`.
        digest: sha256 over number, label and text of the rows.
    """

    row: NDArray[np.integer[Any]]
    label: Answers
    by_model: dict[str, Answers]
    digest: str

    def right(self, model: str, class_id: int | None = None) -> NDArray[np.bool_]:
        """Where a model is right, (rows,).

        Args:
            model: Its name.
            class_id: Of several classes, the one that alone counts; None asks for all of them.
        """
        answer = self.by_model[model]
        if class_id is not None and answer.ndim == 2:
            answer, label = answer[:, class_id], self.label[:, class_id]
            return exact(answer, label)
        return exact(answer, self.label)

    def has(self, class_id: int) -> NDArray[np.bool_]:
        """Which rows are of a class, (rows,)."""
        has: NDArray[np.bool_] = self.label == class_id if self.label.ndim == 1 else self.label[:, class_id] > 0
        return has


class AnswerLog:
    """Collects answers a chunk at a time."""

    def __init__(self) -> None:
        self._chunks: dict[str, list[Answers]] = {}
        self._texts: list[bytes] = []

    def add(
        self,
        *,
        row: NDArray[np.int64],
        label: NDArray[np.int64],
        text: NDArray[np.object_],
        answers: Mapping[str, Answers],
    ) -> None:
        """Adds rows; every chunk has answers of the same models, of the shape of its labels."""
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


def write_anchor(folder: str, anchor: Anchor, answers: SplitAnswers, class_id: Answers) -> None:
    """Writes what is kept of an anchor.

    Args:
        folder: Where to, local or remote.
        anchor: What is known about it.
        answers: The rows.
        class_id: Its answers.
    """
    files = files_at(folder)
    table = pa.table(
        {columns.ROW: answers.row, columns.LABEL: as_column(answers.label), columns.CLASS_ID: as_column(class_id)}
    )
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    files.write(f"{folder}/{ANSWERS}", [content.getvalue().to_pybytes()])
    files.write(f"{folder}/{Anchor.FILE}", [anchor.json_bytes()])


def read_answers(folder: str, classes: int) -> Answers:
    """Reads the answers that an anchor gave, by rising row; `classes` says how many it knows."""
    path = f"{folder}/{ANSWERS}"
    table = pq.read_table(pa.BufferReader(files_at(folder).read_bytes(path)), columns=[columns.CLASS_ID])
    return from_column(table[columns.CLASS_ID], classes)
