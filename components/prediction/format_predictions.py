"""Answers as text: a table for people, CSV or JSON Lines for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import numpy as np
import orjson
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from typing_extensions import override

from agnews.components.corpus_files.record import printable
from agnews.components.prediction.likeliest import likeliest
from agnews.components.prediction.predict_blocks import PredictedBlock
from agnews.components.prediction.write_predictions import PredictionFormatter, PredictionStyle
from agnews.schemas import prediction_columns as columns

_DIGITS = 6
"""Of a probability; the next one depends on the texts that were in the same batch."""
_ABSTAINED = "(none)"
"""Stands where a class would, if none is likely enough."""
_WIDEST_NAME = 30
"""Cells of a class's name in a line for people."""
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Of a character, but for those that stand for a byte that is no UTF-8."""


class CsvFormatter(PredictionFormatter):
    """CSV: id, label, a column a class, version of the model, text.

    With `top`, two columns for each of the likeliest classes, its name and its probability, stand in place of a column
    a class.
    """

    @property
    @override
    def header(self) -> bytes:
        names = [columns.ID, columns.LABEL, *self._style.classes]
        if self._style.top:
            names = [columns.ID, *columns.ranked_names(self._style.top)]
        names += [columns.ABSTAINED] * bool(self._style.abstains_below)
        names += [columns.LABELS] * (self._style.several is not None)
        names += [columns.MODEL_VERSION, *[columns.TEXT] * self._style.with_text]
        return self._write([names])

    @override
    def block(self, answered: PredictedBlock) -> bytes:
        last: list[list[str]] = [[self._style.version]] * len(answered.rows)
        if self._style.with_text:
            last = [[self._style.version, row.text.decode()] for row in answered.rows]
        if self._style.abstains_below:
            said = (str(abstained).lower() for abstained in self._abstained(answered))
            last = [[word, *tail] for word, tail in zip(said, last, strict=True)]
        if self._style.several is not None:
            given = map(self._style.several.cell, self._labels(answered))
            last = [[cell, *tail] for cell, tail in zip(given, last, strict=True)]
        shares = self._named(answered) if self._style.top else self._all(answered)
        return self._write(
            [row.id, *cells, *tail] for row, cells, tail in zip(answered.rows, shares, last, strict=True)
        )

    def _all(self, answered: PredictedBlock) -> Iterator[list[str]]:
        for class_id, cells in zip(answered.class_ids.tolist(), _decimals(answered.probabilities), strict=True):
            yield [self._style.classes[class_id], *cells]

    def _named(self, answered: PredictedBlock) -> Iterator[list[str]]:
        order = likeliest(answered.probabilities, self._style.top)
        shares = _decimals(np.take_along_axis(answered.probabilities, order, axis=1))
        for ids, cells in zip(order.tolist(), shares, strict=True):
            yield [each for i, cell in zip(ids, cells, strict=True) for each in (self._style.classes[i], cell)]

    def _write(self, rows: object) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
        text = out.getvalue()
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            # JSON can name halves of a character, which stand for no byte.
            return _HALVES.sub(lambda half: f"\\u{ord(half[0]):x}", text).encode("utf-8", "surrogateescape")


class JsonFormatter(PredictionFormatter):
    """JSON Lines: an object a row, its probabilities from the largest to the smallest."""

    @override
    def block(self, answered: PredictedBlock) -> bytes:
        order = likeliest(answered.probabilities, self._style.top)
        values = np.take_along_axis(answered.probabilities, order, axis=1).astype(np.float64).round(_DIGITS)
        out = []
        abstained, labels = self._abstained(answered), self._labels(answered)
        for place, (row, ids, shares) in enumerate(zip(answered.rows, order.tolist(), values.tolist(), strict=True)):
            answer: dict[str, object] = {
                columns.ID: row.id.encode("utf-8", "backslashreplace").decode(),
                columns.LABEL: self._style.classes[ids[0]],
                columns.PROBABILITIES: dict(zip([self._style.classes[i] for i in ids], shares, strict=True)),
                columns.MODEL_VERSION: self._style.version,
            }
            if self._style.abstains_below:
                answer[columns.ABSTAINED] = abstained[place]
            if self._style.several is not None:
                answer[columns.LABELS] = labels[place]
            if self._style.with_text:
                answer[columns.TEXT] = row.text.decode()
            out.append(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        return b"".join(out)


class TableFormatter(PredictionFormatter):
    """A line an answer, for people: class, probabilities, text. Whatever is in a text, it stays in its line.

    With `top`, the likeliest classes stand there by name; otherwise each class has a column. Texts are always shown.
    """

    def __init__(self, style: PredictionStyle) -> None:
        super().__init__(style)
        longest = max(cell_len(name) for name in style.classes)
        if style.several is not None:
            longest = 2 * longest + 2
        self._name_width = min(max(longest, cell_len(_ABSTAINED) if style.abstains_below else 0), _WIDEST_NAME)

    @property
    @override
    def header(self) -> bytes:
        if self._style.top:
            return b""
        shares = "".join(f"  {' ' * (7 - cell_len(name))}{name}" for name in self._style.classes)
        line = f"{columns.LABEL:<{self._name_width}}{shares}  {columns.TEXT}"
        return f"\x1b[2m{line}\x1b[0m\n".encode() if self._style.color else f"{line}\n".encode()

    @override
    def block(self, answered: PredictedBlock) -> bytes:
        order = likeliest(answered.probabilities, self._style.top)
        out = []
        said = self._said(answered, order[:, 0])
        for row, ids, shares, label in zip(
            answered.rows, order.tolist(), answered.probabilities.tolist(), said, strict=True
        ):
            shown = f"\x1b[1m{label}\x1b[0m" if self._style.color else label
            if self._style.top:
                others = "".join(f"  {self._name(i)}{_percent(shares[i])}" for i in ids[1:])
                shares_shown = _percent(shares[ids[0]]) + others
            else:
                shares_shown = "".join(
                    _percent(share, cell_len(name)) for name, share in zip(self._style.classes, shares, strict=True)
                )
            used = cell_len(label + shares_shown) + 2
            out.append(f"{shown}{shares_shown}  {self._fit(printable(row.text.decode()), used)}\n")
        return "".join(out).encode()

    def _said(self, answered: PredictedBlock, winners: NDArray[np.int64]) -> list[str]:
        """What each text is given, in cells of one width."""
        if self._style.several is not None:
            return [self._fitted(", ".join(names) or _ABSTAINED) for names in self._labels(answered)]
        return [
            set_cell_size(_ABSTAINED, self._name_width) if abstained else self._name(winner)
            for winner, abstained in zip(winners.tolist(), self._abstained(answered), strict=True)
        ]

    def _name(self, class_id: int) -> str:
        return self._fitted(self._style.classes[class_id])

    def _fitted(self, name: str) -> str:
        if cell_len(name) > self._name_width:
            name = set_cell_size(name, self._name_width - 1).rstrip() + "…"
        return set_cell_size(name, self._name_width)

    def _fit(self, text: str, used: int) -> str:
        if self._style.width is None or used + cell_len(text) <= self._style.width:
            return text
        room = max(self._style.width - used, 8)
        return set_cell_size(text, room - 1).rstrip() + "…"


def _decimals(shares: NDArray[np.float32]) -> list[list[str]]:
    """Plain decimals: not every reader of CSV knows 1e-05."""
    cells: list[list[str]] = np.char.mod(f"%.{_DIGITS}f", shares).tolist()
    return cells


def _percent(share: float, width: int = 0) -> str:
    return f"  {100 * share:>{max(width, 7) - 2}.1f} %"
