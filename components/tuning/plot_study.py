"""The picture of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from agnews.components.tuning.read_search_space import Dimension
from agnews.components.tuning.trial_study import TrialRecord

_TRIAL, _BEST, _DEFAULT, _FAINT = "#4878a8", "#d1495b", "#edae49", "#9aa5b1"
_COLUMNS = 3


def plot_study(file: Path, records: Sequence[TrialRecord], space: Mapping[str, Dimension], *, title: str) -> None:
    """Draws how the eval loss went down, and how it depends on each setting.

    Args:
        file: The picture; its suffix says which kind (`.svg`, `.png`). The background is white.
        records: The trials, one complete at least.
        space: What was searched; a panel each.
        title: One line above all.
    """
    rows = math.ceil(len(space) / _COLUMNS)
    with mpl.rc_context(
        {"font.size": 9, "svg.hashsalt": "agnews", "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(9.6, 3.1 + 2.3 * rows), layout="constrained", facecolor="white")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        grid = figure.add_gridspec(1 + rows, _COLUMNS, height_ratios=[1.35, *[1.0] * rows])
        history = figure.add_subplot(grid[0, :])
        limits = _limits(records)
        _draw_history(history, records)
        history.set_ylim(limits)
        for number, (key, dimension) in enumerate(space.items()):
            panel = figure.add_subplot(grid[1 + number // _COLUMNS, number % _COLUMNS])
            _draw_setting(panel, records, key, dimension)
            panel.set_ylim(limits)
            if number % _COLUMNS == 0:
                panel.set_ylabel("eval loss")
            else:
                panel.tick_params(labelleft=False)
        metadata = {"Date": None} if file.suffix == ".svg" else None
        figure.savefig(file, format=file.suffix.removeprefix("."), metadata=metadata, dpi=120)


def _limits(records: Sequence[TrialRecord]) -> tuple[float, float]:
    """Leaves room for all but the worst trials: one that went astray would press the others into a line."""
    losses = np.array([record.loss for record in records if record.loss is not None])
    low = float(losses.min())
    first, median, third = np.quantile(losses, [0.25, 0.5, 0.75])
    default = next((record.loss for record in records if record.number == 0 and record.loss is not None), low)
    high = max(min(float(losses.max()), float(third + 3.0 * (third - first))), float(median), default)
    margin = 0.08 * (high - low) or 0.05 * abs(low) or 0.1
    return low - margin, high + margin


def _draw_history(panel: Axes, records: Sequence[TrialRecord]) -> None:
    complete = [record for record in records if record.state == "complete" and record.loss is not None]
    pruned = [record for record in records if record.state == "pruned" and record.loss is not None]
    failed = [record for record in records if record.state == "failed"]
    bottom = panel.get_xaxis_transform()
    losses = [record.loss for record in complete if record.loss is not None]
    numbers = [record.number for record in complete]
    last = max(record.number for record in records)
    if losses:
        best = list(accumulate(losses, min))
        panel.step([*numbers, last], [*best, best[-1]], where="post", color=_BEST, linewidth=1.4, label="best so far")
    panel.scatter(numbers, losses, color=_TRIAL, s=28, zorder=3, label="trial")
    if pruned:
        panel.scatter(
            [record.number for record in pruned],
            [record.loss for record in pruned if record.loss is not None],
            facecolors="none",
            edgecolors=_FAINT,
            s=28,
            label="stopped early",
        )
    if failed:
        panel.scatter(
            [record.number for record in failed],
            [0.03] * len(failed),
            marker="x",
            color=_FAINT,
            s=28,
            transform=bottom,
            label="failed",
        )
    _mark_ends(panel, complete, [record.number for record in complete])
    panel.set_xlabel("trial")
    panel.set_ylabel("eval loss")
    panel.set_xlim(-0.5, last + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.grid(axis="y", color="#e6e9ed", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=6, borderaxespad=0.2, fontsize=8)


def _draw_setting(panel: Axes, records: Sequence[TrialRecord], key: str, dimension: Dimension) -> None:
    shown = [record for record in records if record.loss is not None and key in record.settings]
    if dimension.values is not None:
        places = [float(_place(dimension.values, record.settings[key])) for record in shown]
        panel.set_xticks(range(len(dimension.values)), [_word(value) for value in dimension.values])
        panel.set_xlim(-0.5, len(dimension.values) - 0.5)
    else:
        places = [float(record.settings[key] or 0.0) for record in shown]
        if dimension.log:
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.xaxis.set_minor_formatter(NullFormatter())
        elif isinstance(dimension.low, int):
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.margins(x=0.1)
    for state, face in (("pruned", "none"), ("complete", _TRIAL)):
        chosen = [number for number, record in enumerate(shown) if record.state == state]
        panel.scatter(
            [places[number] for number in chosen],
            [shown[number].loss or 0.0 for number in chosen],
            facecolors=face,
            edgecolors=_TRIAL if face != "none" else _FAINT,
            s=20,
            alpha=0.9,
        )
    complete = [number for number, record in enumerate(shown) if record.state == "complete"]
    _mark_ends(panel, [shown[number] for number in complete], [places[number] for number in complete])
    panel.set_xlabel(key)
    panel.grid(axis="y", color="#e6e9ed", linewidth=0.8)
    panel.set_axisbelow(True)


def _mark_ends(panel: Axes, complete: Sequence[TrialRecord], places: Sequence[float]) -> None:
    """Marks the configuration as it stands, and the best trial."""
    if not complete:
        return
    best = min(range(len(complete)), key=lambda number: complete[number].loss or 0.0)
    marks = [(best, "*", _BEST, 130, "best")]
    if complete[0].number == 0:
        marks.insert(0, (0, "D", _DEFAULT, 42, "as it stands"))
    for number, marker, color, size, label in marks:
        panel.scatter(
            [places[number]],
            [complete[number].loss or 0.0],
            marker=marker,
            color=color,
            edgecolors="white",
            linewidths=0.8,
            s=size,
            zorder=4,
            label=label,
        )


def _place(values: Sequence[object], value: object) -> int:
    return next(number for number, each in enumerate(values) if each == value and type(each) is type(value))


def _word(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
