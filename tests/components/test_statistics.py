from __future__ import annotations

import pyarrow as pa

from agnews.components.statistics import statistics_options, tfdv
from agnews.schemas.features import HAS_MARKUP, TEXT


def test_options_are_the_same_bytes_each_time() -> None:
    assert statistics_options().to_json() == statistics_options().to_json()


def test_options_survive_the_way_through_a_pipeline() -> None:
    read = tfdv.StatsOptions.from_json(statistics_options().to_json())
    assert read.to_json() == statistics_options().to_json()
    assert read.use_sketch_based_topk_uniques


def test_texts_are_measured_and_not_counted() -> None:
    # Importable only after agnews.components.statistics.
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory

    rows = {TEXT: [[b"a text"], [b"a longer text"], None], HAS_MARKUP: [[b"yes"], [b"no"], [b"no"]]}
    batch = pa.RecordBatch.from_pydict(
        {name: pa.array(v, pa.large_list(pa.large_binary())) for name, v in rows.items()}
    )
    features = {
        feature.path.step[0]: feature
        for feature in generate_statistics_in_memory(batch, statistics_options()).datasets[0].features
    }
    text = features[TEXT]
    assert (text.bytes_stats.common_stats.num_non_missing, text.bytes_stats.common_stats.num_missing) == (2, 1)
    assert (text.bytes_stats.min_num_bytes, text.bytes_stats.max_num_bytes) == (6, 13)
    assert not text.HasField("string_stats")
    counted = features[HAS_MARKUP].string_stats
    assert {top.value: top.frequency for top in counted.top_values} == {"no": 2, "yes": 1}
