"""Two runs on the same test rows."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy import stats

from agnews.components.evaluator.answer_columns import Answers, exact, from_column, named
from agnews.components.evaluator.answered_rows import open_predictions
from agnews.components.evaluator.paired_test import paired_test
from agnews.components.report.flatten_settings import flatten_settings
from agnews.components.storage.files_at import files_at
from agnews.pipeline.literal_text import literal, printable
from agnews.schemas import predictions as columns
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import TEST
from agnews.schemas.run_comparison import ClassChange, FigureChange, Flip, RunComparison
from agnews.schemas.run_report import RunReport

if TYPE_CHECKING:
    from agnews.schemas.run_comparison import Flip, RunComparison


def compare_runs(first: RunReport, second: RunReport, *, examples: int = 10, alpha: float = 0.05) -> RunComparison:
    """Compares the answers of two runs, row by row.

    Args:
        first: A run that came to its Evaluator.
        second: Another, on the same test rows.
        examples: Rows to name in each direction.
        alpha: Level of the test, both sides together.

    Returns:
        The comparison.

    Raises:
        AgnewsError: A run has no predictions, or they are of other test rows or other classes.
    """
    cards = _same_test_rows(first, second)
    names = tuple(cards[0].splits[TEST].rows_per_class)
    tables = [_predictions(run) for run in (first, second)]
    labels, others = (from_column(table[columns.LABEL], len(names)) for table in tables)
    numbers = [table[columns.ROW].to_numpy() for table in tables]
    if not np.array_equal(labels, others) or not np.array_equal(*numbers):
        raise AgnewsError(
            "The two runs have judged other rows of the same test file, so they cannot be compared row by row.",
            found=f"{len(labels):,} rows in {first.run_id}, {len(others):,} in {second.run_id}",
            fix="Run both with the same version of agnews and the same data.max_reject_share.",
        )
    answers = [from_column(table[columns.CLASS_ID], len(names)) for table in tables]
    right = [exact(each, labels) for each in answers]
    won, lost = right[1] & ~right[0], right[0] & ~right[1]
    test = paired_test(
        baseline=first.run_id,
        rows=len(labels),
        both_right=int((right[0] & right[1]).sum()),
        only_candidate_right=int(won.sum()),
        only_baseline_right=int(lost.sum()),
        alpha=alpha / 2,
    )
    flips = int(won.sum() + lost.sum())
    p_value = float(stats.binomtest(int(won.sum()), flips).pvalue) if flips else 1.0
    outcome = "no difference" if p_value > alpha else "better" if test.difference > 0 else "worse"

    def flips_of(rows: NDArray[np.bool_]) -> tuple[Flip, ...]:
        return tuple(_flips(tables, np.flatnonzero(rows)[:examples].tolist(), names))

    return RunComparison(
        first=first.run_id,
        second=second.run_id,
        test_digest=cards[0].test_digest,
        rows=len(labels),
        accuracy=(float(right[0].mean()), float(right[1].mean())),
        figures=_figures(first, second),
        test=test,
        p_value=p_value,
        alpha=alpha,
        outcome=outcome,
        classes=tuple(_changes(labels, answers, won, lost, names)),
        won=flips_of(won),
        lost=flips_of(lost),
        settings=_differences(first, second),
    )


def _same_test_rows(first: RunReport, second: RunReport) -> tuple[DataCard, DataCard]:
    cards = first.documents.data_card, second.documents.data_card
    for run, card in zip((first, second), cards, strict=True):
        if card is None:
            raise _no_predictions(run)
    one, other = cards
    if one is None or other is None:
        raise _no_predictions(first)
    if (one.test_digest, one.corpus) != (other.test_digest, other.corpus):
        raise AgnewsError(
            "The two runs were judged on different test rows, so they cannot be compared row by row.",
            found=f"{first.run_id}: test file sha256 {one.test_digest} ({one.corpus})\n         "
            f"{second.run_id}: test file sha256 {other.test_digest} ({other.corpus})",
            fix="Run both on the same test file.",
        )
    return one, other


def _predictions(run: RunReport) -> pa.Table:
    node = run.nodes.get("Evaluator")
    uri = node.outputs.get("predictions") if node else None
    if uri is None:
        raise _no_predictions(run)
    path = posixpath.join(uri, columns.FILE.format(split=TEST))
    if not files_at(path).exists(path):
        raise AgnewsError(
            f"The predictions of run {run.run_id} are gone.",
            found=f"no {path}",
            fix="Run it again: `agnews run` with the settings of that run (`agnews report show RUN --json`).",
        )
    # Without the probabilities, which are nearly all of it where classes are many.
    return open_predictions(path).read([columns.ROW, columns.TEXT, columns.LABEL, columns.CLASS_ID])


def _no_predictions(run: RunReport) -> AgnewsError:
    return AgnewsError(
        f"Run {run.run_id} has no predictions: it did not come to its Evaluator.",
        found=run.error or run.ended_early or "a part of a run",
        fix="Compare runs that `agnews report list` shows with an accuracy.",
    )


def _changes(
    labels: Answers,
    answers: Sequence[Answers],
    won: NDArray[np.bool_],
    lost: NDArray[np.bool_],
    names: Sequence[str],
) -> list[ClassChange]:
    def share(hits: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
        return float(hits[of].mean()) if of.any() else 0.0

    def of_class(values: Answers, class_id: int) -> NDArray[np.bool_]:
        of: NDArray[np.bool_] = values == class_id if values.ndim == 1 else values[:, class_id] > 0
        return of

    changes = []
    for each, name in enumerate(names):
        is_label, given = of_class(labels, each), [of_class(answer, each) for answer in answers]
        changes.append(
            ClassChange(
                name=name,
                recall=(share(given[0], is_label), share(given[1], is_label)),
                precision=(share(is_label, given[0]), share(is_label, given[1])),
                won=int((won & is_label).sum()),
                lost=int((lost & is_label).sum()),
            )
        )
    return changes


def _figures(first: RunReport, second: RunReport) -> tuple[FigureChange, ...]:
    before = {figure.name: figure.value for figure in first.metrics.figures} if first.metrics else {}
    after = second.metrics.figures if second.metrics else ()
    return tuple(FigureChange(first=before[each.name], second=each) for each in after if each.name in before)


def _flips(tables: Sequence[pa.Table], rows: Sequence[int], names: Sequence[str]) -> list[Flip]:
    first, second = (table.take(pa.array(rows, pa.int64())).to_pylist() for table in tables)
    return [
        Flip(
            row=row[columns.ROW],
            text=row[columns.TEXT],
            label=named(row[columns.LABEL], names) or "",
            first=named(row[columns.CLASS_ID], names),
            second=named(other[columns.CLASS_ID], names),
        )
        for row, other in zip(first, second, strict=True)
    ]


def _differences(first: RunReport, second: RunReport) -> dict[str, tuple[object, object]]:
    one, other = (flatten_settings({"model": run.model, **run.settings}) for run in (first, second))
    keys = [*one, *(key for key in other if key not in one)]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


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
    if others := [each for each in found.figures if each.second.name != "accuracy"]:
        console.print(_metrics(others))
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


_CLASSES_SHOWN = 20
"""Of more, those with most rows won and lost: a terminal is no place to look for one of thousands."""


def _classes(found: RunComparison) -> Table:
    shown, table = found.classes, _table()
    if len(shown) > _CLASSES_SHOWN:
        shown = tuple(sorted(shown, key=lambda each: -(each.won + each.lost))[:_CLASSES_SHOWN])
        table.title = f"{len(found.classes):,} classes; those with most rows won and lost"
        table.title_justify, table.title_style = "left", "bold"
    # In a narrow terminal names are folded, and figures stay whole.
    table.add_column("class", overflow="fold")
    for name in ("recall", "", "precision", "", "won", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in shown:
        table.add_row(
            literal(each.name), *_change(each.recall), *_change(each.precision), f"{each.won:,}", f"{each.lost:,}"
        )
    return table


def _metrics(changes: Sequence[FigureChange]) -> Table:
    table = _table()
    table.add_column("metric", no_wrap=True)
    for name in ("first", "second", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for each in changes:
        risen, fallen = each.second.value > each.first, each.second.value < each.first
        improved = risen if each.second.better == "higher" else fallen
        words, style = ("better", "green") if improved else ("worse", "red") if risen or fallen else ("same", "dim")
        table.add_row(each.second.title, each.second.show(each.first), each.second.show(), Text(words, style=style))
    return table


def _change(pair: tuple[float, float]) -> tuple[str, Text]:
    change = 100 * (pair[1] - pair[0])
    style = "green" if change > 0 else "red" if change < 0 else "dim"
    return f"{100 * pair[0]:.2f} → {100 * pair[1]:.2f} %", Text(f"{change:+.2f}", style=style)


def _settings(found: RunComparison) -> Table:
    table = _table()
    for name in ("setting", found.first, found.second):
        table.add_column(literal(name), overflow="fold")
    for key, pair in found.settings.items():
        table.add_row(literal(key), *("-" if value is None else literal(value) for value in pair))
    return table


def _print_flips(flips: Sequence[Flip], console: Console) -> None:
    for each in flips:
        text = each.text if len(each.text) <= _MOST_CHARACTERS else each.text[: _MOST_CHARACTERS - 1] + "…"
        answers = f"{each.first or 'no answer'} → {each.second or 'no answer'}"
        console.print(
            Text.assemble((f"{each.row:>6}  ", "dim"), (printable(each.label), "bold"), f"  {answers}"), soft_wrap=True
        )
        console.print(Text(f"        {printable(text)}", style="dim"), soft_wrap=True)


def _table() -> Table:
    return Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
