"""Whether the columns of one record can be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from agnews.components.corpus_files.read_label_set import LabelSetReader
from agnews.components.corpus_files.record import Reason, Record, Reject, UnusableText, join_texts, printable
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TEST

_SHOWN_CLASSES = 8


class RecordChecker:
    """Makes records of columns.

    Args:
        corpus: Classes and limits.
        part: `test` or `train` where a column tells them apart: rows of the other part are passed over.

    Attributes:
        part_column: The column that tells test rows; None where there is none.
        reports_broken: Whether rows that cannot be told to be of either part are rejected here.
    """

    def __init__(self, corpus: Corpus, part: str) -> None:
        self._corpus = corpus
        self._read_label: Callable[[str | None], int | bytes | None]
        self._explain: Callable[[str | None], str] = self._unknown
        self._reason = Reason.CLASS
        if corpus.label_sets is None:
            self._read_label = {each.value: i for i, each in enumerate(corpus.classes)}.get  # type: ignore[assignment]
        else:
            self._read_label = reader = LabelSetReader(corpus, corpus.label_sets)
            self._explain, self._reason = reader.explain, Reason.CLASS_SET
        self._names = corpus.texts
        self._max_bytes = corpus.limits.max_field_bytes
        self.part_column = corpus.files.test.column
        self._part_value = corpus.files.test.value
        self._is_test = part == TEST
        self.reports_broken = self.part_column is None or not self._is_test

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are asked for: label, texts, and the one that tells test rows."""
        return (self._corpus.label_column, *self._names, *((self.part_column,) if self.part_column is not None else ()))

    def skips(self, part_value: str) -> bool:
        """Whether a row is of the other part."""
        return (part_value == self._part_value) != self._is_test

    def __call__(self, row: int, line: int, label: str | None, values: Sequence[str], whole: str) -> Record | Reject:
        """Checks a record.

        Args:
            row: Number of the record.
            line: Number of its line.
            label: What stands in the column of the class; None where nothing does.
            values: What stands in the columns of texts.
            whole: What was found, for a message.
        """
        found = self._read_label(label)
        if found is None:
            return Reject.of(row, line, self._reason, self._explain(label), whole)
        try:
            text, encoded = join_texts(values, self._names, self._max_bytes)
        except UnusableText as unusable:
            shown = whole if unusable.reason is Reason.EMPTY else " ".join(values)
            return Reject.of(row, line, unusable.reason, unusable.detail, shown)
        return Record(row, line, found, text, encoded)

    def check_all(
        self, first: int, lines: Iterable[int], labels: Iterable[str], values: Iterable[Sequence[str]]
    ) -> list[Record] | None:
        """Checks records that follow each other, at a fraction of what one by one takes.

        Args:
            first: Number of the first record.
            lines: Of each, the number of its line.
            labels: What stands in the column of the class.
            values: What stands in the columns of texts.

        Returns:
            The records; None where there is anything to say about any of them.
        """
        found = [each for each in map(self._read_label, labels) if each is not None]
        texts = list(map(" ".join, values))
        try:
            encoded = list(map(str.encode, texts))
        except UnicodeEncodeError:
            return None
        blank = not all(texts) or any(map(str.isspace, texts))
        too_long = max(map(len, encoded)) > self._max_bytes
        if len(found) < len(texts) or blank or too_long or b"\0" in b"".join(encoded):
            return None
        return list(map(Record, count(first), lines, found, texts, encoded))

    def _unknown(self, label: str | None) -> str:
        values = [each.value for each in self._corpus.classes]
        numbers = [int(value) for value in values if value.isdecimal()]
        if len(numbers) == len(values) and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            allowed = f"{numbers[0]} to {numbers[-1]}"
        else:
            more = len(values) - _SHOWN_CLASSES
            allowed = ", ".join(values[:_SHOWN_CLASSES]) + (f" and {more} more" if more > 0 else "")
        what = "missing" if label is None else repr(printable(label, 40))
        return f"{self._corpus.label_column} is {what}, allowed are {allowed}"


def as_label(value: Any) -> str | None:
    """Writes a typed value as it stands in a description: 3, 3.0 and "3" are one class, and so are true and "true".

    A list becomes one of JSON.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return json.dumps([as_label(each) for each in value], ensure_ascii=False)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)
