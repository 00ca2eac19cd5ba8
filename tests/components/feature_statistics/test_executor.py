"""What StatisticsGen writes, against what TFX's own executor writes of the same rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.statistics_gen.executor import Executor as StockExecutor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from agnews.components.feature_statistics.executor import Executor
from agnews.components.statistics import statistics_options

FILES = {"train": (900, 0, 400), "eval": (7,), "test": (0,), "none": ()}
"""Rows of each file of a split."""

Statistics = dict[str, statistics_pb2.DatasetFeatureStatistics]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Statistics]:
    """Runs an executor on raw Examples; returns the statistics by split."""
    root = tmp_path_factory.mktemp("statistics")
    row = 0
    for split, files in FILES.items():
        (root / "raw" / f"Split-{split}").mkdir(parents=True)
        for number, count in enumerate(files):
            path = root / "raw" / f"Split-{split}" / f"data-{number}.gz"
            with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
                for _ in range(count):
                    row += 1
                    writer.write(_example(row))

    def execute(executor: type[BaseBeamExecutor], splits: list[str]) -> Statistics:
        examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
        examples.uri, statistics.uri = str(root / "raw"), str(root / executor.__module__)
        examples.split_names = json.dumps(splits)
        examples.span = 3
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
            tmp_dir=str(root / "temporary"),
            unique_id="1",
        )
        executor(context).Do(
            {"examples": [examples]},
            {"statistics": [statistics]},
            {"stats_options_json": statistics_options().to_json(), "exclude_splits": "[]"},
        )
        assert (statistics.split_names, statistics.span) == (json.dumps(splits), 3)
        return {split: _read(Path(statistics.uri) / f"Split-{split}" / "FeatureStats.pb") for split in splits}

    return execute


def _example(row: int) -> bytes:
    example = tf.train.Example()
    for name, number in {"label": row % 4, "num_words": row % 37, "row": row}.items():
        example.features.feature[name].int64_list.value.append(number)
    if row % 11:  # Some rows have no text.
        example.features.feature["text"].bytes_list.value.append(b"word " * (row % 37))
    example.features.feature["has_markup"].bytes_list.value.append(b"yes" if row % 5 == 0 else b"no")
    made: bytes = example.SerializeToString()
    return made


def _read(path: Path) -> statistics_pb2.DatasetFeatureStatistics:
    (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets
    features = sorted(dataset.features, key=lambda feature: feature.path.step[0])
    del dataset.features[:]
    dataset.features.extend(features)
    return dataset


def _differences(ours: Message, theirs: Message, path: str = "") -> Iterator[str]:
    """Where two messages differ by more than a thousandth: quantiles of merged sketches are estimates."""
    fields = {each.name: value for each, value in ours.ListFields()}
    others = {each.name: value for each, value in theirs.ListFields()}
    for name in fields.keys() | others.keys():
        yield from _unequal(fields.get(name), others.get(name), f"{path}.{name}")


def _unequal(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, Message) and isinstance(theirs, Message):
        yield from _differences(ours, theirs, path)
    elif hasattr(ours, "__len__") and not isinstance(ours, str | bytes) and hasattr(theirs, "__len__"):
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} and {len(theirs)}"
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from _unequal(one, other, f"{path}[{number}]")
    elif isinstance(ours, float) and isinstance(theirs, float):
        if not math.isclose(ours, theirs, rel_tol=1e-3):
            yield f"{path}: {ours} and {theirs}"
    elif ours != theirs:
        yield f"{path}: {ours!r} and {theirs!r}"


@pytest.mark.integration
def test_the_statistics_are_those_of_tfx(run: Callable[..., Statistics]) -> None:
    splits = ["train", "eval", "test"]
    ours, theirs = (run(executor, splits) for executor in (Executor, StockExecutor))
    assert [ours[split].num_examples for split in splits] == [1300, 7, 0]
    assert [difference for split in splits for difference in _differences(ours[split], theirs[split], split)] == []


@pytest.mark.integration
def test_a_split_without_files_has_no_rows(run: Callable[..., Statistics]) -> None:
    assert run(Executor, ["none"])["none"].num_examples == 0
