from __future__ import annotations

from agnews.components.data_validation import tfdv
from agnews.components.statistics import statistics_options


def test_options_are_the_same_bytes_each_time() -> None:
    assert statistics_options().to_json() == statistics_options().to_json()


def test_options_survive_the_way_through_a_pipeline() -> None:
    read = tfdv.StatsOptions.from_json(statistics_options().to_json())
    assert read.to_json() == statistics_options().to_json()
    assert read.use_sketch_based_topk_uniques
