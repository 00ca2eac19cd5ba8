from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.observer import NodeResult
from agnews.schemas.progress import Progress, report_progress


def _play(view: LiveView, *, fail: bool = False) -> None:
    view.planned(["Read", "Train", "Push"], ["Push"])
    view.started("Read")
    view.finished(NodeResult("Read", "cached", 0.1))
    view.started("Train")
    report_progress(Progress("Train", 5, 20, "steps", {"epoch": 1, "loss": 0.5, "rows_per_second": 1234.0}))
    view.finished(NodeResult("Train", "failed" if fail else "done", 12.3))


def test_without_a_terminal_each_event_is_a_line() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out), "run 42", lambda result: f"found {result.node}") as view:
        _play(view)
    lines = out.getvalue().splitlines()
    assert lines[0] == "run 42"
    assert lines[1].split() == ["↺", "Read", "cached", "0.1", "s", "found", "Read"]
    assert lines[2].split() == ["✓", "Train", "done", "12.3", "s", "found", "Train"]
    assert view.not_run == ["Push"]


def test_on_a_terminal_the_running_step_shows_its_progress() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, record=True)
    view = LiveView(console, "run 42", lambda result: "")
    view.planned(["Read", "Train"], [])
    view.started("Train")
    view.results.clear()
    view.emit(_record(Progress("Train", 5, 20, "steps", {"epoch": 1, "loss": 0.512, "rows_per_second": 1234.0})))
    console.print(view)
    text = console.export_text()
    assert "5/20 steps" in text
    assert "epoch 1 · loss 0.512 · rows per second 1,234" in text
    assert "· Read" in " ".join(text.split())


def test_a_failed_step_is_not_described() -> None:
    def describe(result: NodeResult) -> str:
        assert result.state != "failed"
        return ""

    with LiveView(Console(file=io.StringIO()), "run 42", describe) as view:
        _play(view, fail=True)
    assert view.results["Train"].state == "failed"


def test_long_steps_tell_their_progress_in_a_log_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agnews.pipeline.local.live_view._LOG_EVERY_SECONDS", 0.0)
    out = io.StringIO()
    with LiveView(Console(file=out), "run 42", lambda result: "") as view:
        _play(view)
    assert "Train: 5/20 steps" in out.getvalue()


def test_what_components_say_of_their_work_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("agnews").setLevel(logging.NOTSET)
    with LiveView(Console(file=io.StringIO()), "run 42", lambda result: ""):
        logging.getLogger("agnews.components.training.join_classifiers").info("accuracy of the members")
    assert "accuracy of the members" in caplog.text


def _record(progress: Progress) -> object:
    record = logging.LogRecord("agnews.progress", logging.INFO, "", 0, "", (), None)
    record.progress = progress
    return record
