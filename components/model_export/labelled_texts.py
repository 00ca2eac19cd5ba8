"""Rows that an export is held to its parent on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from pyarrow import parquet

from agnews.components.corpus_files.label_arrays import stack_labels
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.record import Record
from agnews.components.evaluator.answer_columns import from_column
from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import TEST


class LabelledTexts(NamedTuple):
    """Texts with their classes.

    Attributes:
        texts: UTF-8.
        labels: Positions of the classes; where a text has several, a mark for each class.
        source: Where they are from, for people.
    """

    texts: Sequence[bytes]
    labels: Sequence[int | Sequence[int]]
    source: str

    def split(self, rows: int) -> tuple[LabelledTexts, LabelledTexts]:
        """Sets some rows aside for calibration.

        Which ones depends on the texts alone and not on their order, so that a repeated export finds the same.

        Args:
            rows: How many; at most a third are taken.

        Returns:
            Those that were set aside, and the others in their order.
        """
        order = sorted(range(len(self.texts)), key=lambda each: hashlib.sha256(self.texts[each]).digest())
        aside = set(order[: min(rows, len(order) // 3)])
        return self.those([each for each in range(len(order)) if each in aside]), self.those(
            [each for each in range(len(order)) if each not in aside]
        )

    def those(self, rows: Sequence[int]) -> LabelledTexts:
        """Returns some of the rows, by their positions."""
        return LabelledTexts([self.texts[each] for each in rows], [self.labels[each] for each in rows], self.source)


def read_labelled_texts(path: str, corpus: Corpus) -> LabelledTexts:
    """Reads a test file as the corpus of a model describes it.

    Args:
        path: A path or URI.
        corpus: What the model has learnt from.

    Returns:
        The rows that can be used.

    Raises:
        AgnewsError: The file cannot be read, or has no row that can be used.
    """
    records = [each for each in read_records(path, corpus, TEST) if isinstance(each, Record)]
    if not records:
        raise AgnewsError(
            "There is no row in the test file that could tell two models apart.",
            found=path,
            fix="Name a file with texts and their classes, as the corpus of the model describes it: test.csv.",
        )
    labels = stack_labels(records, corpus.label_shape).tolist()
    return LabelledTexts([each.encoded for each in records], labels, path)


def read_test_split(folder: str, source: str, classes: int) -> LabelledTexts:
    """Reads the rows of the test split that a run has judged its model on.

    Args:
        folder: Folder or URI of the Evaluator's predictions.
        source: What to call it.
        classes: How many classes there are.

    Returns:
        The rows.
    """
    path = f"{folder}/{predictions.FILE.format(split=TEST)}"
    with files_at(path).open(path) as stream:
        table = parquet.read_table(stream, columns=[predictions.TEXT, predictions.LABEL])
    texts = [text.encode() for text in table[predictions.TEXT].to_pylist()]
    return LabelledTexts(texts, from_column(table[predictions.LABEL], classes).tolist(), source)
