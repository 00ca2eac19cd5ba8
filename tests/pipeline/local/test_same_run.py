"""What a whole run leaves, so that the same run is answered at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnews.pipeline.local.same_run import find_same_run, remember_run
from agnews.pipeline.observer import NodeResult
from agnews.pipeline.paths import prepare_root


def test_a_run_that_went_well_does_not_fail_by_what_it_would_remember(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = prepare_root(tmp_path)
    (tmp_path / "same_runs").touch()
    remember_run(paths, "k" * 32, {"Report": NodeResult("Report", "done", 0.0, {"report": "/there"})})
    assert "will ask each of its nodes" in caplog.text
    assert find_same_run(paths, "k" * 32) is None
