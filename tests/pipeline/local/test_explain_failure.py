from __future__ import annotations

import errno
from pathlib import Path

import pytest

from agnews.pipeline.local.explain_failure import explain_failure
from agnews.schemas.errors import AgnewsError, ExitCode

LOG = Path("run.log")


def _wrapped(reason: Exception, *, explicit: bool) -> Exception:
    try:
        try:
            raise reason
        except Exception as inner:
            if explicit:
                raise RuntimeError("worker failed [while running 'Write']") from inner
            raise RuntimeError("worker failed [while running 'Write']")  # noqa: B904
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize("explicit", [True, False])
def test_a_mendable_error_is_found_behind_what_beam_makes_of_it(explicit: bool) -> None:
    reason = AgnewsError("train.csv is cut short.", found="line 7", fix="Fetch it again.")
    told = explain_failure(_wrapped(reason, explicit=explicit), "NewsExampleGen", LOG)
    assert told.problem == "NewsExampleGen: train.csv is cut short."
    assert (told.found, told.fix, told.exit_code) == ("line 7", "Fetch it again.", ExitCode.USAGE)


def test_a_mendable_error_that_beam_has_copied_is_told_as_it_was_raised() -> None:
    reason = AgnewsError("train.csv is cut short.", found="line 7", fix="Fetch it again.")
    try:
        try:
            raise reason
        except AgnewsError as inner:
            # As apache_beam.runners.common does it.
            raise type(inner)(f"{inner.args[0]} [while running 'Read']")  # noqa: B904
    except AgnewsError as outer:
        told = explain_failure(outer, "NewsExampleGen", LOG)
    assert (told.problem, told.found, told.fix) == (
        "NewsExampleGen: train.csv is cut short.",
        "line 7",
        "Fetch it again.",
    )


@pytest.mark.parametrize(
    "reason",
    [OSError(errno.ENOSPC, "No space left on device"), ValueError("x.gz; No space left on device [Op:Write]")],
)
def test_a_full_disk_is_told_as_such(reason: Exception) -> None:
    told = explain_failure(_wrapped(reason, explicit=False), "Transform", LOG)
    assert told.problem == "The disk is full while running Transform."
    assert "--root DIR" in told.fix


def test_before_the_first_step_the_command_line_is_to_blame() -> None:
    told = explain_failure(AgnewsError("There is no train.csv."), "", LOG)
    assert told.problem == "There is no train.csv."
    assert told.exit_code == ExitCode.USAGE


def test_anything_else_points_to_the_log() -> None:
    told = explain_failure(KeyError("x"), "Trainer", LOG)
    assert told.problem == "Trainer failed."
    assert "KeyError" in str(told.found)
    assert "run.log" in told.fix
    assert told.exit_code == ExitCode.FAILED


@pytest.mark.parametrize(
    ("node", "given", "told"),
    [
        ("NewsExampleGen", ExitCode.USAGE, ExitCode.USAGE),
        ("DataGate", ExitCode.USAGE, ExitCode.USAGE),
        ("NewsExampleGen", ExitCode.UNAVAILABLE, ExitCode.FAILED),
        ("Trainer", ExitCode.USAGE, ExitCode.FAILED),
        ("", ExitCode.USAGE, ExitCode.USAGE),
    ],
)
def test_unusable_data_ends_a_run_as_wrong_arguments_do(node: str, given: ExitCode, told: ExitCode) -> None:
    assert explain_failure(AgnewsError("No.", exit_code=given), node, LOG).exit_code == told


def test_a_metadata_store_that_fails_is_named_with_what_may_be_deleted() -> None:
    from ml_metadata.errors import InternalError

    reason = InternalError("database disk image is malformed")
    told = explain_failure(_wrapped(reason, explicit=True), "Trainer", LOG, Path("root/metadata.sqlite"))
    assert "root/metadata.sqlite" in str(told.found)
    assert "root/artifacts" in told.fix
    assert told.exit_code == ExitCode.FAILED
