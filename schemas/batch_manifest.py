"""`plan.json` and `manifest.json` of `agnews batch`: what is to be answered in which parts, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from agnews.schemas.document import Document, Part


class BatchInput(Part):
    """A file of texts."""

    uri: str
    name: str
    """What identifiers of its rows begin with."""
    format: str
    bytes: int
    modified: int
    """Time of its last change, in nanoseconds since 1970: while it stays, the file is not read again to be sure."""
    sha256: str
    header: tuple[str, ...]
    """Names of the columns of a CSV file."""
    has_header: bool
    """Whether they stand in its first row."""
    text_columns: tuple[str, ...]
    """As the file spells them; empty where the format has no columns."""
    id_column: str


class BatchShard(Part):
    """Consecutive rows of one file, which are answered together and become one part of the output."""

    number: int
    input: int
    """Position of the file in the plan."""
    row: int
    line: int
    offset: int
    """Where its first row begins."""
    end: int | None
    """The byte, or of Parquet the row, with which the next shard begins; null reads to the end."""
    rows: int
    """Usable texts, as the plan counted them."""


class BatchPlan(Document):
    """What an output folder is for. A later run of the same goes on with the shards that are missing."""

    FILE: ClassVar = "plan.json"

    model_name: str
    model_version: str
    model_digest: str
    export_digest: str = ""
    """Of the export that answers in the model's place; empty for TensorFlow."""
    classes: tuple[str, ...]
    corpus: str = ""
    """What the model's corpus says about columns and limits, canonical; empty in plans of before models carried it."""
    format: str
    with_text: bool
    top: int = 0
    """Classes of a text that are named, the likeliest first; 0 names all."""
    abstains_below: float = 0.0
    """An answer of a lower probability is none; 0 for a model that answers always."""
    thresholds: tuple[float, ...] | None = None
    """From which probability on each class is given; null for a model that gives one class a text."""
    inputs: tuple[BatchInput, ...]
    shards: tuple[BatchShard, ...]

    @property
    def rows(self) -> int:
        """Usable texts in all."""
        return sum(shard.rows for shard in self.shards)


class BatchPart(Part):
    """What became of a shard."""

    name: str
    """Of the file, in the folder `predictions`."""
    rows: int
    """Answers in it."""
    rejects: dict[str, int]
    """Rows that could not be answered, by reason."""
    bytes: int
    sha256: str


class BatchManifest(Document):
    """A finished output folder."""

    FILE: ClassVar = "manifest.json"

    model_name: str
    model_version: str
    model_digest: str
    classes: tuple[str, ...]
    format: str
    with_text: bool
    finished_at: datetime
    answered: int
    rejected: dict[str, int]
    """By reason."""
    inputs: tuple[BatchInput, ...]
    parts: tuple[BatchPart, ...]
