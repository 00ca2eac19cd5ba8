"""What `agnews batch` was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.prediction.text_input import TextInput


@dataclass(frozen=True)
class BatchRequest:
    """Inputs, a model, and how to go about it.

    Attributes:
        model: The version that answers.
        sources: The files, each with what the user said about its columns.
        format: Of the parts.
        with_text: Whether the texts are repeated.
        shard_rows: Rows of a shard, at most; decided when a folder is begun.
        max_bad_share: Largest share of bad rows in a file that is put up with.
        batch_size: Texts that the model sees at once.
        beam_args: Options of Beam, the runner among them.
    """

    model: PushedModel
    sources: Sequence[TextInput]
    format: Literal["parquet", "jsonl"]
    with_text: bool
    shard_rows: int
    max_bad_share: float
    batch_size: int
    beam_args: Sequence[str]
