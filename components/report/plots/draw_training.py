"""How a model learnt, epoch by epoch."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from agnews.components.report.plots.svg_picture import ACCENT, FAINT, LINE, svg_picture
from agnews.schemas.training_record import TrainingRecord


def draw_training(record: TrainingRecord, figure_name: Literal["loss", "accuracy"]) -> Markup:
    """Draws loss or accuracy on the training rows and on the eval split.

    Args:
        record: A training of one epoch at least.
        figure_name: Which of the two.

    Returns:
        An `svg` element.
    """
    epochs = [entry["epoch"] for entry in record.curve]
    best = next(entry for entry in record.curve if entry["epoch"] == record.best_epoch)[f"val_{figure_name}"]
    is_share = figure_name == "accuracy"

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for prefix, label, color, style in (("", "training rows", FAINT, "--"), ("val_", "eval split", ACCENT, "-")):
            values = [entry[prefix + figure_name] for entry in record.curve]
            axes.plot(epochs, values, style, marker=".", color=color, linewidth=1.4, label=label)
        axes.plot([record.best_epoch], [best], "o", markersize=9, fillstyle="none", color=ACCENT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(x=0.08)
        axes.grid(axis="y", color=LINE)
        axes.set_axisbelow(True)
        axes.set_xlabel("epoch")
        axes.set_ylabel(figure_name)
        figure.legend(loc="outside upper right", ncols=2, frameon=False, labelcolor=FAINT, fontsize=8)
        if is_share:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %", decimals=0))

    return svg_picture(
        f"training-{figure_name}",
        (3.7, 2.5),
        draw,
        title=f"{figure_name.capitalize()} by epoch",
        description=f"On the training rows and on the eval split, over {len(epochs)} epochs. The weights of epoch "
        f"{record.best_epoch} were kept; there the {figure_name} on the eval split is "
        f"{f'{100 * best:.2f} %' if is_share else f'{best:.3f}'}.",
    )
