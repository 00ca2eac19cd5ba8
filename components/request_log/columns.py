"""The columns of logged requests: Parquet, a row for each text that was answered."""

from __future__ import annotations

import pyarrow as pa

FORMAT = 1
"""Number of this form, in the metadata of each file."""

TIME = "time"
"""When it was answered, UTC."""
ID = "id"
"""The request's id, a slash, and the number of the text in it, from 0."""
VERSION = "version"
"""Of the model that answered."""
TEXT = "text"
"""As it was sent, redacted; null where texts are not kept."""
TEXT_HASH = "text_hash"
"""See `text_hash`; null unless hashes are kept."""
LENGTH = "length"
"""Bytes of the text as it was sent."""
WORDS = "words"
"""This and the next three: see `agnews.components.drift.measure_texts`, of the text before redaction; null where there
were too many texts to measure all."""
HAS_MARKUP = "has_markup"
UNKNOWN_WORDS = "unknown_words"
GRAMS = "grams"
LABEL = "label"
"""The class that was answered."""
PROBABILITIES = "probabilities"
"""Of all classes, in the order of the model's."""
SECONDS = "seconds"
"""From the request's body to its answer."""
IS_SHADOW = "is_shadow"
"""Whether nobody got this answer: a version that is tried beside the one in production gave it, later, for the same
id. Null in files of an earlier form, which have no such rows."""

SCHEMA = pa.schema(
    [
        (TIME, pa.timestamp("ms", tz="UTC")),
        (ID, pa.string()),
        (VERSION, pa.string()),
        (TEXT, pa.string()),
        (TEXT_HASH, pa.string()),
        (LENGTH, pa.int32()),
        (WORDS, pa.int32()),
        (HAS_MARKUP, pa.bool_()),
        (UNKNOWN_WORDS, pa.int32()),
        (GRAMS, pa.list_(pa.uint16())),
        (LABEL, pa.string()),
        (PROBABILITIES, pa.list_(pa.float32())),
        (SECONDS, pa.float32()),
        (IS_SHADOW, pa.bool_()),
    ],
    metadata={"agnews.format": str(FORMAT)},
)
