"""From what stands in a column that names several classes to a mark for each class."""

from __future__ import annotations

import json

from agnews.components.corpus_files.record import printable
from agnews.schemas.corpus import Corpus, LabelSets

_KEPT = 65_536
"""Of different cells: what stands in them comes again and again."""
_SHOWN_CLASSES = 8


class LabelSetReader:
    """Reads cells such as `sports|politics`, or `["sports", "politics"]`.

    Args:
        corpus: Its classes.
        sets: How they are written.
    """

    def __init__(self, corpus: Corpus, sets: LabelSets) -> None:
        self._sets = sets
        self._values = tuple(each.value for each in corpus.classes)
        self._positions = {value: number for number, value in enumerate(self._values)}
        self._known: dict[str | None, bytes] = {}

    def __call__(self, cell: str | None) -> bytes | None:
        """Reads a cell.

        Args:
            cell: What stands there; None where nothing does.

        Returns:
            A byte for each class, 0 or 1; None for what cannot be read.
        """
        found = self._known.get(cell)
        if found is None:
            try:
                found = self._read(cell)
            except ValueError:
                return None
            if len(self._known) < _KEPT:
                self._known[cell] = found
        return found

    def explain(self, cell: str | None) -> str:
        """Says what is wrong with a cell that cannot be read."""
        try:
            self._read(cell)
        except ValueError as error:
            return f"{self._sets.column} {error}"
        return ""

    def _read(self, cell: str | None) -> bytes:
        names = self._split(cell or "")
        if not names and not self._sets.may_be_empty:
            raise ValueError("names no class; label.may_be_empty allows that")
        marks = bytearray(len(self._values))
        for name in names:
            position = self._positions.get(name)
            if position is None:
                raise ValueError(self._unknown(name))
            if marks[position]:
                raise ValueError(f"names {printable(name, 40)!r} twice")
            marks[position] = 1
        return bytes(marks)

    def _split(self, cell: str) -> list[str]:
        if not cell.strip():
            return []
        if self._sets.separator is not None:
            return [name.strip() for name in cell.split(self._sets.separator)]
        try:
            names = json.loads(cell)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
            raise ValueError(
                f"is {printable(cell, 40)!r}, where there must be a JSON list of classes; label.separator says what "
                "else tells them apart"
            )
        return [name if isinstance(name, str) else str(name).lower() for name in names]

    def _unknown(self, name: str) -> str:
        if not name:
            return f"names no class beside a {self._sets.separator!r}"
        if name.startswith("[") and self._sets.separator is not None:
            return f"is the list {printable(name, 40)!r}; without label.separator lists are read"
        more = len(self._values) - _SHOWN_CLASSES
        allowed = ", ".join(self._values[:_SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")
        return f"names {printable(name, 40)!r}, allowed are {allowed}"
