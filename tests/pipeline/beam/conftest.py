"""Runs of the data path on a runner of Beam."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from rich.console import Console
from tensorflow_metadata.proto.v0 import statistics_pb2

from agnews.pipeline.load_config import load_config
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.local.run_locally import RunRequest, run_locally
from agnews.pipeline.paths import new_run_id, prepare_root
from agnews.schemas.execution_config import BeamConfig
from agnews.schemas.run_report import RunReport

Run = Callable[..., RunReport]
SPLITS = ("train", "eval", "test")


@pytest.fixture(scope="session")
def run_data_path() -> Run:
    """Runs the pipeline up to TokenGate: `run_data_path(root, beam, "KEY=VALUE", ...)`."""

    def run(root: Path, beam: BeamConfig, *settings: str, to_node: str = "TokenGate") -> RunReport:
        request = RunRequest(
            config=load_config("transformer", settings),
            paths=prepare_root(root),
            run_id=new_run_id(),
            command="agnews run",
            to_node=to_node,
            beam=beam,
        )
        with LiveView(Console(file=io.StringIO()), "", lambda result: "") as view:
            return run_locally(request, view)

    return run


@pytest.fixture(scope="session")
def assert_same_data() -> Callable[[RunReport, RunReport], None]:
    """Holds a run to what another has made, whatever ran them."""
    return _assert_same_data


def _assert_same_data(one: RunReport, other: RunReport) -> None:
    """Examples byte for byte, statistics to the last digit of a sum, the same transformed rows in any order."""
    examples, others = (Path(run.nodes["NewsExampleGen"].outputs["examples"]) for run in (one, other))
    files = sorted(path.relative_to(examples) for path in examples.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(others) for path in others.rglob("*") if path.is_file())
    assert [(examples / name).read_bytes() for name in files] == [(others / name).read_bytes() for name in files]

    for split in SPLITS:
        _assert_same_statistics(*(_read_statistics(run, split) for run in (one, other)))
        assert _transformed_rows(one, split) == _transformed_rows(other, split)


def _read_statistics(run: RunReport, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of a split."""
    path = Path(run.nodes["StatisticsGen"].outputs["statistics"]) / f"Split-{split}" / "FeatureStats.pb"
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())


def _assert_same_statistics(
    one: statistics_pb2.DatasetFeatureStatisticsList, other: statistics_pb2.DatasetFeatureStatisticsList
) -> None:
    """Compares the text form line by line, numbers up to the order in which they were added."""
    lines, others = (text_format.MessageToString(each).splitlines() for each in (one, other))
    assert len(lines) == len(others)
    for line, expected in zip(lines, others, strict=True):
        name, _, number = line.partition(": ")
        if line != expected:
            assert expected.startswith(f"{name}: ")
            # Sketches answer quantiles within a hundredth, by what they met first.
            exact = name.strip() in ("mean", "std_dev", "avg_length", "avg_num_values")
            assert float(number) == pytest.approx(float(expected.partition(": ")[2]), rel=1e-9 if exact else 0.02), line


def _transformed_rows(run: RunReport, split: str) -> list[tuple[tuple[int, ...], int]]:
    """Token ids and class of the transformed rows of a split, sorted: the bytes of a map depend on the process."""
    folder = Path(run.nodes["Transform"].outputs["transformed_examples"]) / f"Split-{split}"
    files = [str(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    rows = []
    for row in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(row).features.feature
        rows.append((tuple(features["token_ids"].int64_list.value), features["label"].int64_list.value[0]))
    return sorted(rows)
