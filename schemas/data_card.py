"""The measured card of a corpus: what NewsExampleGen reports and `agnews corpus describe` prints."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document, Part


class Lengths(Part):
    """Lengths of the texts of a split."""

    mean: float
    p50: int
    p95: int
    p99: int
    max: int


class SplitCard(Part):
    """One split."""

    rows: int
    rows_per_class: dict[str, int]
    """By name of the class, in the corpus' order."""
    duplicates: int
    """Rows whose normalised text an earlier row of the split has too."""
    contradictions: int
    """Normalised texts that stand in the split under more than one class."""
    words: Lengths
    """Split at white space."""
    characters: Lengths
    markup_share: float
    """Share of the rows that hold remnants of HTML or of escapes."""


class FileCard(Part):
    """One file."""

    records: int
    """All records, bad ones included."""
    rejects: dict[str, int]
    """Bad records by reason, the most frequent first."""


class SpanCard(Part):
    """The rows of a day."""

    name: str
    """`YYYY-MM-DD`."""
    digest: str
    """sha256 of its training file."""
    rows: int
    """Usable records, wherever they went."""


class DataCard(Document):
    """What a corpus holds and what became of its rows."""

    FILE: ClassVar = "report.json"

    corpus: str
    title: str = ""
    """What people call it; empty in cards of before descriptions had one."""
    source: str
    is_sample: bool
    """Whether the rows are the generated sample and not news."""
    digest: str
    test_digest: str
    """sha256 of the test file."""
    spans: tuple[SpanCard, ...]
    """Oldest first; none where the data is no folder of dated spans."""
    splits: dict[str, SplitCard]
    files: dict[str, FileCard]
    left_out_as_test: int
    """Rows of the training file kept out of train and eval because a test row has the same normalised text."""
    left_out_as_corrected: int = 0
    """Rows of the training file kept out because people have labelled the same normalised text anew, in a span that
    `agnews feedback collect` wrote."""
    left_out_by_limit: int
    """Rows of the training file that `data.limit` left out."""
    shared_by_train_and_eval: int
    """Normalised texts in both splits: 0 by construction, counted all the same."""
    normalisation: str
    """When two texts count as the same."""

    @property
    def rejected(self) -> int:
        """Bad records of all files."""
        return sum(sum(file.rejects.values()) for file in self.files.values())
