"""A step on an engine works on a volume that its workers have, and leaves its outputs where the launcher takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Examples

from agnews.kubeflow.execution.share_artifacts import shared_artifacts
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig


def made(uri: Path) -> Examples:
    artifact = Examples()
    artifact.uri = str(uri)
    uri.mkdir(parents=True)
    return artifact


def test_inputs_go_to_the_volume_and_outputs_come_back(tmp_path: Path) -> None:
    # The same key on both sides, as Transform has it for its cache.
    source, result = made(tmp_path / "mirror" / "a"), made(tmp_path / "mirror" / "b")
    (tmp_path / "mirror" / "a" / "rows").write_text("rows")
    (tmp_path / "volume").mkdir()
    config = BeamConfig(runner="flink", job_endpoint="jobs:1", temp_location=str(tmp_path / "volume"))

    with shared_artifacts(config, "Transform", {"examples": [source]}, {"examples": [result]}):
        assert Path(source.uri).is_relative_to(tmp_path / "volume")
        (Path(result.uri) / "tokens").write_text((Path(source.uri) / "rows").read_text())

    assert (source.uri, result.uri) == (str(tmp_path / "mirror" / "a"), str(tmp_path / "mirror" / "b"))
    assert (tmp_path / "mirror" / "b" / "tokens").read_text() == "rows"
    assert not any((tmp_path / "volume").iterdir())


def test_a_step_that_fails_leaves_no_output_and_no_litter(tmp_path: Path) -> None:
    result = made(tmp_path / "b")
    (tmp_path / "volume").mkdir()
    config = BeamConfig(runner="flink", job_endpoint="jobs:1", temp_location=str(tmp_path / "volume"))

    def fail() -> None:
        with shared_artifacts(config, "Transform", {}, {"out": [result]}):
            (Path(result.uri) / "half").write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fail()
    assert not any((tmp_path / "b").iterdir())
    assert not any((tmp_path / "volume").iterdir())


def test_without_a_volume_the_step_says_so(tmp_path: Path) -> None:
    config = BeamConfig(runner="flink", job_endpoint="jobs:1")
    with pytest.raises(AgnewsError, match="shares with the workers"), shared_artifacts(config, "Transform", {}, {}):
        pass


def test_what_runs_in_this_pod_stays_here(tmp_path: Path) -> None:
    source = made(tmp_path / "a")
    with shared_artifacts(BeamConfig(runner="multiprocess"), "Transform", {"examples": [source]}, {}):
        assert source.uri == str(tmp_path / "a")


def test_a_step_whose_pipeline_stays_in_its_process_needs_no_volume(tmp_path: Path) -> None:
    source = made(tmp_path / "a")
    config = BeamConfig(runner="flink", job_endpoint="jobs:1", temp_location="/not/mounted/here")
    with shared_artifacts(config, "Evaluator", {"examples": [source]}, {}):
        assert source.uri == str(tmp_path / "a")
