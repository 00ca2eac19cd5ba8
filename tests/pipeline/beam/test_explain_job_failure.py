"""What runners hand on of a worker's error is text, with our three parts somewhere in it."""

from __future__ import annotations

import traceback

import pytest

from agnews.pipeline.beam.explain_job_failure import error_in, explain_job_failure
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig

FLINK = BeamConfig(runner="flink", job_endpoint="jobs:8099", flink_master="master:8081")


def through_beam(error: AgnewsError) -> str:
    """What a worker reports: Beam raises the error anew with the step in its first argument."""
    try:
        try:
            raise error
        except AgnewsError as raised:
            raise AgnewsError(f"{raised.args[0]} [while running 'Step-1 [ptransform-3]']") from raised
    except AgnewsError:
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("problem", "found", "fix"),
    [
        ("The file is empty.", "/data/train.csv", "Copy it again."),
        ("Two lines are wrong.", "line 1: a\nline 2: b [while running]", "Mend them: all: of them."),
        ("Something is missing.", None, "Look."),
        ("Something is missing.", "x", ""),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "java.util.concurrent.ExecutionException: {}\n\tat org.apache.beam.X.y(X.java:1)\n"]
)
def test_an_error_of_ours_keeps_its_parts(problem: str, found: object, fix: str, around: str) -> None:
    text = around.format(through_beam(AgnewsError(problem, found=found, fix=fix)))

    read = error_in(f"Pipeline job failed in state FAILED: java.lang.RuntimeException: {text}")

    assert read is not None
    assert (read.problem, read.found, read.fix) == (problem, found, fix)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("java.io.IOException: No space left on device", "disk"),
        ("Could not upload job files. File upload failed.", "disk"),
        ("FlinkException: Could not upload job files.\nCaused by: PUT operation failed: Broken pipe", "disk is full"),
        ("ImportError: cannot import name 'sql_util' from 'tfx_bsl.arrow'", "not those of this installation"),
        ("ModuleNotFoundError: No module named 'agnews'", "not those of this installation"),
        ("NoResourceAvailableException: Could not acquire the minimum required resources.", "slots"),
        ("IOException: Insufficient number of network buffers: required 512", "network buffers"),
        ("UNAVAILABLE: io exception\n\tat ...ExternalEnvironmentFactory.createEnvironment", "worker pool"),
        ("<_MultiThreadedRendezvous of RPC: StatusCode.UNAVAILABLE>", "job server"),
    ],
)
def test_what_is_known_of_engines_is_said(text: str, said: str) -> None:
    error = explain_job_failure(RuntimeError(text), FLINK)
    assert said in error.problem
    assert "jobs:8099" in str(error.found)
    # Of the worker pool, as the engine's machines see it.
    assert "localhost:50000" in str(error.found)
    assert error.fix


def test_anything_else_is_one_line_and_no_traceback() -> None:
    try:
        {}["key"]  # type: ignore[index]
    except KeyError:
        text = traceback.format_exc()
    error = explain_job_failure(RuntimeError(text), FLINK)
    assert str(error.found).endswith("KeyError: 'key'")
    assert "Traceback" not in str(error)
