"""The list of runs in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agnews.components.report.headline import headline

if TYPE_CHECKING:
    from agnews.schemas.run_report import RunReport

_STYLES = {"good": "green", "bad": "red", "plain": ""}


def show_runs(reports: Mapping[str, RunReport | None], more: int, console: Console) -> None:
    """Prints a line for each run.

    Args:
        reports: By id of the run, in the order to show; None where a run has left no report.
        more: How many runs are not among them.
        console: Where to print.
    """
    if not reports:
        console.print("There is no run yet. Start with: [bold]agnews run[/bold]")
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    for column in ("run", "model", "data"):
        table.add_column(column, no_wrap=True)
    for column in ("accuracy", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("outcome")
    for name, report in reports.items():
        table.add_row(name, *(_cells(report) if report else ("", "", "", "", Text("no report", style="dim"))))
    console.print(table)
    if more:
        console.print(f"[dim]and {more:,} older: --last {more + len(reports)}[/dim]")


def _cells(report: RunReport) -> tuple[str | Text, ...]:
    outcome = headline(report)
    return (
        str(report.model.get("kind", "")),
        report.data.name if report.data else "",
        f"{100 * report.metrics.accuracy:.2f} %" if report.metrics else "",
        f"{report.seconds:,.0f}" if report.seconds is not None else "",
        Text(outcome.words, style=_STYLES[outcome.tone]),
    )
