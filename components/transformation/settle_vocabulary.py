"""The word pieces of a run, in the artifact of the graph that cuts texts into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.example_files.read_records import read_texts
from agnews.components.text.learn_vocabulary import learn_vocabulary
from agnews.schemas.features import VOCABULARY_FILE
from agnews.schemas.learning_config import LEARN

_BATCH = 4096


def settle_vocabulary(settings: Mapping[str, Any], *, train: str, transform_graph: str) -> dict[str, Any]:
    """Finds or learns the word pieces, and writes them down.

    Args:
        settings: Of the preprocessing function; `vocabulary` says what is wanted.
        train: Folder or URI of the rows of train: gzipped TFRecords of raw Examples.
        transform_graph: Folder or URI that gets VOCABULARY_FILE, a piece a line.

    Returns:
        The settings; where the pieces were learnt, `vocabulary` is their file.

    Raises:
        AgnewsError: The vocabulary is missing or damaged, or the rows have no words.
    """
    path = f"{transform_graph}/{VOCABULARY_FILE}"
    is_learnt = settings["vocabulary"] == LEARN
    pieces = (
        learn_vocabulary(
            lambda: read_texts([train], rows_at_once=_BATCH),
            size=int(settings["vocabulary_size"]),
            lowercase=bool(settings["lowercase"]),
            source=train,
        )
        if is_learnt
        else find_vocabulary(settings["vocabulary"]).vocabulary.tokens
    )
    tf.io.gfile.makedirs(transform_graph)
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write("".join(f"{piece}\n" for piece in pieces).encode())
    return {**settings, "vocabulary": path} if is_learnt else dict(settings)
