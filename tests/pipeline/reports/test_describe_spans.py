from __future__ import annotations

from agnews.pipeline.reports.show_report import describe_spans
from agnews.schemas.run_report import SpansSummary


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
