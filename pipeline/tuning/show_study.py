"""What a study ends with in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agnews.components.tuning.trial_record import TrialRecord
from agnews.pipeline.tuning.word_settings import word_settings

_BEST = 5


def show_study(records: Sequence[TrialRecord], best: TrialRecord, console: Console) -> None:
    """Prints the best trials, and what they are better by than the configuration as it stands.

    Args:
        records: All trials that ended.
        best: The best one.
        console: Where to print.
    """
    complete = sorted((each for each in records if each.state == "complete"), key=lambda each: each.loss or 0.0)
    default = next((each for each in complete if each.number == 0), None)
    shown = complete[:_BEST]
    if default is not None and default not in shown:
        shown.append(default)
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("trial")
    for record in shown:
        style = "bold" if record is best else "yellow" if record is default else ""
        table.add_column(str(record.number), justify="right", no_wrap=True, style=style)
    table.add_row("eval loss", *(f"{record.loss:.4f}" for record in shown))
    table.add_row("eval accuracy", *(f"{100 * (record.accuracy or 0.0):.2f} %" for record in shown))
    table.add_row("seconds", *(f"{record.seconds:.1f}" for record in shown))
    for key in best.settings:
        table.add_row(key, *(word_settings({"": record.settings[key]}).strip() for record in shown))
    counts = {state: sum(each.state == state for each in records) for state in ("complete", "pruned", "failed")}
    console.print()
    console.print(
        Text(
            f"{len(records)} trials: {counts['complete']} complete, {counts['pruned']} stopped early, "
            f"{counts['failed']} failed",
            style="bold",
        )
    )
    console.print(table)
    console.print()
    console.print(Text(_verdict(best, default)), soft_wrap=True)


def _verdict(best: TrialRecord, default: TrialRecord | None) -> str:
    if default is None or default.loss is None or best.loss is None:
        return "The configuration as it stands (trial 0) failed; there is nothing to compare with."
    if best is default:
        return "Nothing was found that is better than the configuration as it stands (trial 0)."
    return (
        f"Trial {best.number} against the configuration as it stands (trial 0): eval loss {best.loss:.4f} instead of "
        f"{default.loss:.4f}, accuracy {100 * (best.accuracy or 0.0):.2f} % instead of "
        f"{100 * (default.accuracy or 0.0):.2f} %."
    )
