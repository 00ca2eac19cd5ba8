"""What a run ends with in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agnews.components.report.weakest_classes import weakest_classes
from agnews.pipeline.literal_text import literal, printable
from agnews.schemas.run_report import SpansSummary

if TYPE_CHECKING:
    from agnews.pipeline.paths import Paths
    from agnews.schemas.evaluation import Metrics
    from agnews.schemas.run_report import RunReport


def shortest_path(path: Path) -> str:
    """Returns a path as it is shortest to type from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


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


def show_report(report: RunReport, paths: Paths, console: Console) -> None:
    """Prints decision, figures and where things are: what a run ends with, and what `agnews report show` prints.

    Args:
        report: What the run did.
        paths: Where the run is stored.
        console: Where to print.
    """
    console.print()
    if report.data is not None:
        rows = ", ".join(f"{count:,} {split}" for split, count in report.data.rows.items())
        name = "the bundled sample (generated text, not news)" if report.data.name == "sample" else report.data.name
        console.print(Text.assemble(("data      ", "dim"), f"{name}: {rows} rows"), soft_wrap=True)
    if report.spans is not None and report.ended_early is None:
        console.print(Text.assemble(("spans     ", "dim"), describe_spans(report.spans)), soft_wrap=True)
        for note in report.spans.notes:
            console.print(Text.assemble(("note      ", "dim"), (note, "yellow")), soft_wrap=True)
    if report.error is not None:
        console.print(Text(f"✗ {printable(report.error)}", style="red"), soft_wrap=True)
    if report.ended_early is not None:
        console.print(Text(f"✓ {report.ended_early}", style="green"), soft_wrap=True)
    if report.metrics is not None:
        console.print()
        console.print(_metrics_table(report.metrics))
        console.print()
    if report.blessed is not None:
        console.print(_verdict(report))
    for label, value in (
        ("model     ", _model(report)),
        ("report    ", shortest_path(paths.page(report.run_id))),
        ("log       ", shortest_path(paths.log(report.run_id))),
    ):
        console.print(Text.assemble((label, "dim"), value), soft_wrap=True)
    if report.seconds is not None and report.peak_rss_mb is not None:
        took = f"{report.seconds:.1f} s, at most {report.peak_rss_mb:,.0f} MiB of memory"
        console.print(Text.assemble(("took      ", "dim"), took))


def _model(report: RunReport) -> str:
    if report.pushed_model:
        return shortest_path(Path(report.pushed_model))
    if report.ended_early is not None and report.spans is not None:
        return f"version {report.spans.since} stays in production"
    return "nothing was pushed"


_CLASSES_SHOWN = 20
"""Of more, those with the lowest F1: a terminal is no place to look for one of thousands."""


def _metrics_table(metrics: Metrics) -> Table:
    shown, title = metrics.per_class, f"{metrics.count:,} test rows"
    if len(shown) > _CLASSES_SHOWN:
        shown = tuple(weakest_classes(shown, _CLASSES_SHOWN))
        title += f", {len(metrics.per_class):,} classes; those with the lowest F1"
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2),
    )
    table.add_column("class")
    for name in ("precision", "recall", "F1", "rows"):
        table.add_column(name, justify="right")
    for row in shown:
        table.add_row(
            literal(row.name), _percent(row.precision), _percent(row.recall), _percent(row.f1), f"{row.count:,}"
        )
    table.add_row()
    for figure in metrics.figures:
        style = "bold" if figure.name == "accuracy" else ""
        table.add_row(figure.title, "", Text(figure.show(), style=style), "", "")
    return table


def _verdict(report: RunReport) -> Panel:
    title, style = ("blessed", "green") if report.blessed else ("not blessed", "red")
    if report.forced:
        title, style = "promotion forced", "yellow"
    lines = Text("\n".join(f"• {reason}" for reason in report.reasons))
    return Panel(lines, title=title, title_align="left", border_style=style, expand=False)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
