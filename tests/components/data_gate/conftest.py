from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from agnews.components.corpus_schema import corpus_schema
from agnews.components.statistics import statistics_options
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEXT

Columns = dict[str, Sequence[Any]]


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
            TEXT: [f"news {seed} {row}" for row in range(rows)],
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
