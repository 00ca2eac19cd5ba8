"""Answers as text: a table for people, CSV or JSON Lines for programs."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

import numpy as np
import orjson
from rich.cells import cell_len, set_cell_size
from typing_extensions import override

from agnews.components.corpus_files.record import Reject, printable
from agnews.components.prediction.predict_blocks import Predict, PredictedBlock, predict_blocks
from agnews.components.prediction.text_input import TextRow
from agnews.schemas import prediction_columns as columns

_DIGITS = 6
"""Of a probability; the next one depends on the texts that were in the same batch."""


class PredictionFormatter(ABC):
    """Turns answers into lines.

    Args:
        classes: Names of the classes in the order of the probabilities.
        version: Version of the model.
        with_text: Whether the texts are repeated.
    """

    def __init__(self, classes: Sequence[str], version: str, *, with_text: bool) -> None:
        self._classes = tuple(classes)
        self._version = version
        self._with_text = with_text

    @property
    @abstractmethod
    def header(self) -> bytes:
        """What stands above the first answer, with its line end, or nothing."""

    @abstractmethod
    def lines(self, answered: PredictedBlock) -> bytes:
        """The lines of a block, each with its end."""


class CsvFormatter(PredictionFormatter):
    """CSV: id, label, a column a class, version of the model, text."""

    @property
    @override
    def header(self) -> bytes:
        names = [columns.ID, columns.LABEL, *self._classes, columns.MODEL_VERSION]
        return self._write([[*names, columns.TEXT] if self._with_text else names])

    @override
    def lines(self, answered: PredictedBlock) -> bytes:
        last: list[list[str]] = [[self._version]] * len(answered.rows)
        if self._with_text:
            last = [[self._version, row.text.decode()] for row in answered.rows]
        # Plain decimals: not every reader of CSV knows 1e-05.
        cells = np.char.mod(f"%.{_DIGITS}f", answered.probabilities).tolist()
        labels = self._classes
        return self._write(
            [row.id, labels[class_id], *row_cells, *tail]
            for row, class_id, row_cells, tail in zip(
                answered.rows, answered.class_ids.tolist(), cells, last, strict=True
            )
        )

    def _write(self, rows: object) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
        return out.getvalue().encode("utf-8", "surrogateescape")


class JsonFormatter(PredictionFormatter):
    """JSON Lines: an object a row, its probabilities from the largest to the smallest.

    Args:
        top: Give the likeliest so many classes; None gives all.
    """

    def __init__(self, classes: Sequence[str], version: str, *, with_text: bool, top: int | None = None) -> None:
        super().__init__(classes, version, with_text=with_text)
        self._top = top

    @property
    @override
    def header(self) -> bytes:
        return b""

    @override
    def lines(self, answered: PredictedBlock) -> bytes:
        order = ranked(answered, self._top)
        values = np.take_along_axis(answered.probabilities, order, axis=1).astype(np.float64).round(_DIGITS)
        out = []
        for row, ids, shares in zip(answered.rows, order.tolist(), values.tolist(), strict=True):
            answer: dict[str, object] = {
                columns.ID: row.id.encode("utf-8", "replace").decode(),
                columns.LABEL: self._classes[ids[0]],
                columns.PROBABILITIES: dict(zip([self._classes[i] for i in ids], shares, strict=True)),
                columns.MODEL_VERSION: self._version,
            }
            if self._with_text:
                answer[columns.TEXT] = row.text.decode()
            out.append(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        return b"".join(out)


class TableFormatter(PredictionFormatter):
    """A line an answer, for people: class, probabilities, text. Whatever is in a text, it stays in its line.

    Args:
        top: Give the likeliest so many classes, by name; None gives a column a class.
        width: Columns of the terminal, which a line must not exceed; None shows texts whole.
        color: Whether to make the class stand out.
    """

    def __init__(
        self,
        classes: Sequence[str],
        version: str,
        *,
        top: int | None = None,
        width: int | None = None,
        color: bool = False,
    ) -> None:
        super().__init__(classes, version, with_text=True)
        self._top = top
        self._width = width
        self._color = color
        self._name_width = max(cell_len(name) for name in classes)

    @property
    @override
    def header(self) -> bytes:
        if self._top:
            return b""
        shares = "".join(f"  {name:>7}" for name in self._classes)
        line = f"{columns.LABEL:<{self._name_width}}{shares}  {columns.TEXT}"
        return f"\x1b[2m{line}\x1b[0m\n".encode() if self._color else f"{line}\n".encode()

    @override
    def lines(self, answered: PredictedBlock) -> bytes:
        order = ranked(answered, self._top)
        out = []
        for row, ids, shares in zip(answered.rows, order.tolist(), answered.probabilities.tolist(), strict=True):
            label = set_cell_size(self._classes[ids[0]], self._name_width)
            shown = f"\x1b[1m{label}\x1b[0m" if self._color else label
            if self._top:
                others = "".join(
                    f"  {set_cell_size(self._classes[i], self._name_width)}{_percent(shares[i])}" for i in ids[1:]
                )
                shares_shown = _percent(shares[ids[0]]) + others
            else:
                shares_shown = "".join(
                    _percent(share, len(name)) for name, share in zip(self._classes, shares, strict=True)
                )
            used = cell_len(label + shares_shown) + 2
            out.append(f"{shown}{shares_shown}  {self._fit(printable(row.text.decode()), used)}\n")
        return "".join(out).encode()

    def _fit(self, text: str, used: int) -> str:
        if self._width is None or used + cell_len(text) <= self._width:
            return text
        room = max(self._width - used, 8)
        return set_cell_size(text, room - 1).rstrip() + "…"


def ranked(answered: PredictedBlock, top: int | None) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Orders the classes of each row.

    Args:
        answered: n rows.
        top: How many classes to give; None gives all.

    Returns:
        Positions of the classes, likeliest first, (n, top).
    """
    # Stable, so that the first of equals is the one that the model names.
    order = np.argsort(-answered.probabilities, axis=1, kind="stable")
    return order[:, :top]


def _percent(share: float, width: int = 0) -> str:
    return f"  {100 * share:>{max(width, 7) - 2}.1f} %"


def write_predictions(
    blocks: Iterable[Sequence[TextRow | Reject]],
    *,
    predict: Predict,
    formatter: PredictionFormatter,
    out: BinaryIO,
    on_reject: Callable[[Reject], None],
    on_block: Callable[[PredictedBlock], None] = lambda answered: None,
) -> None:
    """Answers rows and writes the answers in their order, each block as soon as it is done.

    Args:
        blocks: Texts, and rows that could not be read.
        predict: The model.
        formatter: Makes lines of answers.
        out: Where they go.
        on_reject: Called with each row that cannot be answered. If it raises, all that stands before that row was
            written, and nothing behind it is.
        on_block: Called with each block that was written.

    Raises:
        AgnewsError: The model fails.
    """
    out.write(formatter.header)
    out.flush()
    for answered in predict_blocks(blocks, predict):
        written = PredictedBlock([], answered.class_ids[:0], answered.probabilities[:0], [])
        try:
            for reject in answered.rejects:
                written = answered.before(reject.row)
                on_reject(reject)
            written = answered
        finally:
            out.write(formatter.lines(written))
            out.flush()
        on_block(answered)
