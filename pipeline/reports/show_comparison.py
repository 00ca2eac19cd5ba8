"""The comparison of two runs in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from agnews.schemas.run_comparison import Flip, RunComparison

_OUTCOMES = {
    "better": ("better beyond noise", "green"),
    "worse": ("worse beyond noise", "red"),
    "no difference": ("no difference beyond noise", "yellow"),
}
_MOST_CHARACTERS = 160


def show_comparison(found: RunComparison, console: Console) -> None:
    """Prints the outcome, the change of each class, the settings that differ, and rows that flipped.

    Args:
        found: The comparison.
        console: Where to print.
    """
    words, style = _OUTCOMES[found.outcome]
    low, high = (100 * end for end in found.test.confidence_interval)
    console.print(Text.assemble((f"{found.second}", "bold"), " against ", (found.first, "bold"), ": ", (words, style)))
    console.print(
        f"accuracy {100 * found.accuracy[0]:.2f} % → {100 * found.accuracy[1]:.2f} % on the same {found.rows:,} rows: "
        f"{100 * found.test.difference:+.2f} points, {100 * found.test.level:g} % interval {low:+.2f} to {high:+.2f}",
        soft_wrap=True,
    )
    console.print(
        f"{found.test.only_candidate_right:,} rows won, {found.test.only_baseline_right:,} lost, "
        f"p = {found.p_value:.2g} (exact McNemar test, two-sided)\n",
        soft_wrap=True,
    )
    console.print(_classes(found))
    console.print()
    if found.settings:
        console.print(_settings(found))
    else:
        console.print("The two runs have the same settings.", style="dim")
    for title, flips, rows in (
        ("won", found.won, found.test.only_candidate_right),
        ("lost", found.lost, found.test.only_baseline_right),
    ):
        if flips:
            console.print(Text(f"\n{title}: {len(flips)} of {rows:,}", style="bold"))
            _print_flips(flips, console)


def _classes(found: RunComparison) -> Table:
    table = _table()
    table.add_column("class", no_wrap=True)
    for name in ("recall", "", "precision", "", "won", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found.classes:
        table.add_row(each.name, *_change(each.recall), *_change(each.precision), f"{each.won:,}", f"{each.lost:,}")
    return table


def _change(pair: tuple[float, float]) -> tuple[str, Text]:
    change = 100 * (pair[1] - pair[0])
    style = "green" if change > 0 else "red" if change < 0 else "dim"
    return f"{100 * pair[0]:.2f} → {100 * pair[1]:.2f} %", Text(f"{change:+.2f}", style=style)


def _settings(found: RunComparison) -> Table:
    table = _table()
    for name in ("setting", found.first, found.second):
        table.add_column(name, overflow="fold")
    for key, pair in found.settings.items():
        table.add_row(key, *("-" if value is None else str(value) for value in pair))
    return table


def _print_flips(flips: Sequence[Flip], console: Console) -> None:
    for each in flips:
        text = each.text if len(each.text) <= _MOST_CHARACTERS else each.text[: _MOST_CHARACTERS - 1] + "…"
        answers = f"{each.first or 'no answer'} → {each.second or 'no answer'}"
        console.print(Text.assemble((f"{each.row:>6}  ", "dim"), (each.label, "bold"), f"  {answers}"), soft_wrap=True)
        console.print(Text(f"        {text}", style="dim"), soft_wrap=True)


def _table() -> Table:
    return Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
