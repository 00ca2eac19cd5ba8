"""What is known of a file of texts before its rows are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agnews.components.prediction.text_format import TextFormat
from agnews.schemas.corpus import Corpus


@dataclass(frozen=True)
class TextInput:
    """How to read texts.

    Attributes:
        path: Where they are, a path or URI; for messages alone where a stream is read.
        format: How they stand there.
        corpus: The corpus that the model learnt from: its columns are known, and its limits hold.
        text_columns: Columns whose texts are joined; empty takes what is known.
        id_column: The column with identifiers; empty takes the number of the row.
        header: Names of the columns of a CSV file that has no header; empty reads the first row.
    """

    path: str
    format: TextFormat
    corpus: Corpus
    text_columns: Sequence[str] = ()
    id_column: str = ""
    header: Sequence[str] = ()

    @property
    def longest_line(self) -> int:
        """Bytes of the longest line that is read; what is longer is a bad row."""
        columns = max(len(self.corpus.columns), len(self.header))
        return 2 * columns * self.corpus.max_field_bytes
