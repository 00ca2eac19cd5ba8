"""Which spans a run takes and which of them are new, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.schemas.run_report import SpansSummary

_MOST = 5


def describe_spans(spans: SpansSummary) -> str:
    """Says which spans a run takes and what is new since the last push.

    Args:
        spans: The spans; rows are told where they are known.

    Returns:
        `7 spans, 2026-11-16 to 2026-11-22; new since version 17: 2026-11-22 (1,240 rows)`, for example.
    """
    names = list(spans.rows)
    words = f"1 span, {names[0]}" if len(names) == 1 else f"{len(names)} spans, {names[0]} to {names[-1]}"
    if spans.since is None:
        return f"{words}; no version was pushed before"
    parts = [f"new since version {spans.since}: {_listed(spans, spans.new) or 'none'}"]
    for word, which in (
        ("changed", spans.changed),
        ("no longer among them", spans.left),
        ("removed from the folder", spans.removed),
    ):
        if which:
            parts.append(f"{word}: {_listed(spans, which)}")
    return "; ".join([words, *parts])


def _listed(spans: SpansSummary, names: Sequence[str]) -> str:
    if len(names) == len(spans.rows) > 1 and set(names) == set(spans.rows):
        return "all of them"
    # The newest are those that people ask about.
    words = [_with_rows(name, spans.rows.get(name)) for name in names[-_MOST:]]
    more = len(names) - len(words)
    return (f"{more} older ones, " if more > 1 else f"{names[0]}, " if more else "") + ", ".join(words)


def _with_rows(name: str, rows: int | None) -> str:
    return name if rows is None else f"{name} ({rows:,} rows)"
