"""Who is told hears what happened, not more."""

from __future__ import annotations

from typing import Any

import pytest

from agnews.pipeline.notification.message import messages_about
from agnews.schemas.data_check import DataCheck, Finding
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import RunDocuments, RunReport

PUSHED = PushOutcome(pushed=True, reason="version 17 is in production", version="17")
HELD = PushOutcome(pushed=False, reason="not blessed: min_accuracy")


def report(documents: RunDocuments | None = None, **keys: Any) -> RunReport:
    empty: dict[str, Any] = dict.fromkeys(
        ("data", "fingerprint", "metrics", "blessed", "baseline", "pushed_model", "seconds", "peak_rss_mb")
    )
    empty |= {"run_id": "r", "command": None, "model": {}, "settings": {}, "reasons": ("too low",), "nodes": {}}
    empty |= {"training_curve": (), "versions": {}}
    return RunReport(**{**empty, "documents": documents or RunDocuments(), **keys})


@pytest.mark.parametrize(
    ("found", "event"),
    [
        (report(error="no such file"), "failed"),
        (report(error="interrupted"), "failed"),
        (report(ended_early="Nothing is new."), "nothing_new"),
        (report(RunDocuments(push=PUSHED), blessed=True), "pushed"),
        (report(RunDocuments(push=HELD), blessed=False), "held_back"),
        (report(RunDocuments(push=HELD), blessed=True), "held_back"),  # the smoke test
    ],
)
def test_each_outcome_is_one_event(found: RunReport, event: str) -> None:
    (message,) = messages_about(found, model="agnews", page="/w/report.html")

    assert message.event == event
    assert message.version == ("17" if event == "pushed" else "")
    assert message.reasons == (("too low",) if event == "held_back" else ())
    assert message.report == "/w/report.html"


def test_a_part_of_a_run_is_no_event() -> None:
    assert messages_about(report(), model="agnews") == []


def test_drift_is_told_besides_the_outcome() -> None:
    finding = Finding(kind="drift", where="train", feature="label", seen="0.3", allowed="0.1", stops=False)
    check = DataCheck(passed=True, rows={"train": 9}, findings=(finding,), distances=(), baseline="17")

    first, second = messages_about(report(RunDocuments(push=PUSHED, data_check=check), blessed=True), model="agnews")

    assert (first.event, second.event) == ("pushed", "drift")
    assert second.reasons == ("train label: 0.3, allowed 0.1",)
