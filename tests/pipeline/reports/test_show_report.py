from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from agnews.pipeline.paths import Paths
from agnews.pipeline.reports.find_run import show_runs
from agnews.pipeline.reports.show_report import describe_spans, show_report
from agnews.schemas.evaluation import ClassMetrics, Metrics
from agnews.schemas.run_report import DataSummary, RunReport, SpansSummary

CLASSES = ("World", "Sports")


def _report(**changes: object) -> RunReport:
    metrics = Metrics(
        count=1000,
        accuracy=0.9123,
        macro_f1=0.9,
        ece=0.021,
        per_class=tuple(ClassMetrics(name=name, precision=0.9, recall=0.91, f1=0.905, count=500) for name in CLASSES),
        confusion_matrix=((455, 45), (43, 457)),
    )
    fields: dict[str, object] = {
        "run_id": "run-1",
        "command": "agnews run",
        "data": DataSummary(name="sample", source="sample", rows={"train": 9, "test": 1000}, rejected=0, digest="d"),
        "model": {"kind": "transformer"},
        "metrics": metrics,
        "blessed": True,
        "reasons": ("accuracy 91.2 % is at or above the floor of 80 %",),
        "baseline": None,
        "pushed_model": None,
        "training_curve": (),
        "nodes": {},
        "seconds": 61.5,
        "peak_rss_mb": 1500.0,
        "versions": {},
    }
    return RunReport.model_validate({**fields, **changes})


def _shown(report: RunReport, root: Path) -> str:
    console = Console(record=True, width=100)
    show_report(report, Paths(root), console)
    return console.export_text()


def test_figures_verdict_and_places_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "root" / "models" / "agnews" / "17"
    text = _shown(_report(pushed_model=str(model)), tmp_path / "root")
    assert "91.23 %" in text
    assert "blessed" in text
    assert "floor of 80 %" in text
    assert "model     root/models/agnews/17" in text
    assert "report    root/runs/run-1/report.html" in text


def test_of_many_classes_a_terminal_shows_the_weakest(tmp_path: Path) -> None:
    scores = tuple(
        ClassMetrics(name=f"part {at}", precision=0.9, recall=0.9, f1=1 - at / 1000, count=at % 3) for at in range(300)
    )
    metrics = _report().metrics
    assert metrics is not None
    text = _shown(_report(metrics=metrics.model_copy(update={"per_class": scores})), tmp_path)
    assert "1,000 test rows, 300 classes; those with the lowest F1" in text
    assert [line.split()[1] for line in text.splitlines() if line.strip().startswith("part ")] == [
        str(at) for at in range(299, 269, -1) if at % 3
    ]


def test_the_sample_is_never_taken_for_news(tmp_path: Path) -> None:
    assert "generated text, not news" in _shown(_report(), tmp_path)


def test_a_model_that_was_not_blessed_is_told_as_such(tmp_path: Path) -> None:
    text = _shown(_report(blessed=False, reasons=("accuracy 70 % is below the floor of 80 %",)), tmp_path)
    assert "not blessed" in text
    assert "nothing was pushed" in text


def spans(days: range = range(16, 23), **changes: object) -> SpansSummary:
    fields: dict[str, object] = {
        "rows": {f"2026-11-{day:02}": 1240 for day in days},
        "since": "17",
        "new": (),
        "changed": (),
        "left": (),
        "removed": (),
        "notes": (),
    }
    return SpansSummary.model_validate({**fields, **changes})


def test_new_changed_and_lost_spans_are_told() -> None:
    found = spans(new=("2026-11-22",), changed=("2026-11-20",), left=("2026-11-15",), removed=("2026-11-13",))
    assert describe_spans(found) == (
        "7 spans, 2026-11-16 to 2026-11-22; new since version 17: 2026-11-22 (1,240 rows); "
        "changed: 2026-11-20 (1,240 rows); no longer among them: 2026-11-15; removed from the folder: 2026-11-13"
    )


def test_rows_that_were_not_read_are_not_told() -> None:
    assert describe_spans(spans(rows={"2026-11-22": None}, new=("2026-11-22",))) == (
        "1 span, 2026-11-22; new since version 17: 2026-11-22"
    )


def test_nothing_new_everything_new_and_no_push_yet() -> None:
    everything = tuple(spans().rows)
    assert describe_spans(spans()).endswith("; new since version 17: none")
    assert describe_spans(spans(new=everything)).endswith("; new since version 17: all of them")
    assert describe_spans(spans(new=everything, since=None)).endswith("; no version was pushed before")


def test_of_many_new_spans_the_newest_are_named() -> None:
    text = describe_spans(
        spans(
            range(1, 31),
            rows={f"2026-11-{d:02}": None for d in range(1, 31)},
            new=tuple(f"2026-11-{d:02}" for d in range(3, 31)),
        )
    )
    assert text.endswith("17: 23 older ones, 2026-11-26, 2026-11-27, 2026-11-28, 2026-11-29, 2026-11-30")


def test_a_list_of_runs_has_whole_figures_in_80_columns() -> None:
    names = ("20261122T140000-abcd", "20261122T150000-abcd")
    report = _report(model={"kind": "bert_finetune"}, forced=True, seconds=12345.0)
    console = Console(width=80, record=True, file=io.StringIO())
    show_runs(dict.fromkeys(names, report), 0, console)
    shown = console.export_text()
    for name in names:
        (line,) = (line for line in shown.splitlines() if name in line)
        assert "91.23 %" in line
        assert "12,345" in line
    assert "…" not in shown
