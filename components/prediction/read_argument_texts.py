"""Texts that stand on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agnews.components.corpus_files.join_texts import UnusableText, join_texts
from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.text_input import TextInput
from agnews.components.prediction.text_row import TextRow
from agnews.schemas.features import TEXT


def read_argument_texts(texts: Sequence[str], source: TextInput) -> Iterator[TextRow | Reject]:
    """Checks texts as those of a file are checked.

    Args:
        texts: The texts; bytes that are no UTF-8 stand in them as surrogates.
        source: Its limits.

    Yields:
        Texts and rejects, numbered from 1.
    """
    for row, text in enumerate(texts, 1):
        try:
            _, encoded = join_texts([text], [TEXT], source.corpus.max_field_bytes)
        except UnusableText as unusable:
            yield Reject.of(row, 0, unusable.reason, unusable.detail, text)
        else:
            yield TextRow(row, 0, 0, str(row), encoded)
