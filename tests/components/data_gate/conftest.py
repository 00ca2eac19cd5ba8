from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from agnews.components.corpus_schema import corpus_schema
from agnews.components.drift.text_features import NUM_LENGTH_BINS, count_character_pairs, length_bins
from agnews.components.statistics import statistics_options
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.feature_counts import FeatureCounts
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEXT

Columns = dict[str, Sequence[Any]]
_WORDS = [
    "shares",
    "fell",
    "as",
    "the",
    "bank",
    "of",
    "England",
    "raised",
    "rates",
    "on",
    "Friday",
    ",",
    "sources",
    "close",
    "to",
    "talks",
    "said",
    "in",
    "Paris",
]


@pytest.fixture(scope="session")
def schema(repository: Any) -> schema_pb2.Schema:
    """The curated schema."""
    return text_format.Parse(corpus_schema(packaged_corpus()), schema_pb2.Schema())


@pytest.fixture(scope="session")
def news_columns() -> Callable[..., Columns]:
    """Columns like those of AG News: lengths, classes and markup drawn at random."""

    def draw(rows: int = 3000, seed: int = 0, **replaced: Sequence[Any]) -> Columns:
        generator = np.random.default_rng(seed)
        columns: Columns = {
            TEXT: [" ".join(words) for words in generator.choice(_WORDS, (rows, 12))],
            LABEL: generator.integers(0, 4, rows).tolist(),
            NUM_WORDS: np.clip(generator.lognormal(3.6, 0.27, rows), 8, 177).astype(int).tolist(),
            HAS_MARKUP: generator.choice(["yes", "no"], rows, p=[0.4, 0.6]).tolist(),
            ROW: list(range(1, rows + 1)),
        }
        return columns | replaced

    return draw


@pytest.fixture(scope="session")
def statistics_of() -> Callable[[Mapping[str, Sequence[Any]]], Any]:
    """Statistics as StatisticsGen takes them; a value that is None is missing, a list is several values."""

    def compute(columns: Mapping[str, Sequence[Any]]) -> Any:
        # Importable only after agnews.components.statistics.
        from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

        arrays = {}
        for name, values in columns.items():
            lists = [None if v is None else v if isinstance(v, list) else [v] for v in values]
            first = next((item for row in lists if row for item in row), 0)
            kind = (
                pa.large_binary() if isinstance(first, str) else pa.int64() if isinstance(first, int) else pa.float32()
            )
            arrays[name] = pa.array(lists, pa.large_list(kind))
        return generate_statistics_in_memory(pa.RecordBatch.from_pydict(arrays), statistics_options())

    return compute


@pytest.fixture(scope="session")
def counts_of() -> Callable[[Mapping[str, Sequence[Any]]], FeatureCounts]:
    """Counts as NewsExampleGen takes them, of the rows that have a value."""

    def count(columns: Mapping[str, Sequence[Any]]) -> FeatureCounts:
        def numbers(name: str, most: int) -> list[int]:
            return [v for v in columns.get(name, ()) if isinstance(v, int) and 0 <= v < most]

        texts = [v for v in columns.get(TEXT, ()) if isinstance(v, str)]
        markup = list(columns.get(HAS_MARKUP, ()))
        words = length_bins(numbers(NUM_WORDS, 10**6))
        return FeatureCounts(
            rows=max(map(len, columns.values())),
            label=tuple(np.bincount(numbers(LABEL, 100), minlength=4).tolist()),
            num_words=tuple(np.bincount(words, minlength=NUM_LENGTH_BINS).tolist()),
            num_characters=tuple(np.bincount(length_bins([len(t) for t in texts]), minlength=NUM_LENGTH_BINS).tolist()),
            has_markup=(markup.count("no"), markup.count("yes")),
            character_pairs=tuple(count_character_pairs(texts).tolist()),
        )

    return count
