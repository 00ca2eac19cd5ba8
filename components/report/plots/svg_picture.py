"""From a figure of matplotlib to SVG that belongs to a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Literal

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.abstention import Abstention
from agnews.schemas.evaluation import PairedTest
from agnews.schemas.prediction_review import CalibrationBin, CoveragePoint
from agnews.schemas.training_record import TrainingRecord

INK, FAINT, LINE, ACCENT, SOFT = "#010101", "#020202", "#030303", "#040404", "#050505"
"""Stand for the page's colours: text, quieter text, rules, the accent, and areas in a weak accent."""

_VARIABLES = {INK: "--ink", FAINT: "--faint", LINE: "--line", ACCENT: "--accent", SOFT: "--soft"}


def svg_picture(
    name: str, size: tuple[float, float], draw: Callable[[Figure], None], *, title: str, description: str
) -> Markup:
    """Draws a picture.

    Args:
        name: Begins the ids in the picture, so that they are not those of another one in the page.
        size: Width and height in inches of 72 units; the page scales it.
        draw: Draws on an empty figure, with the colours of this module and no others.
        title: Its name, for those who do not see it.
        description: What it shows, in words, for the same.

    Returns:
        An `svg` element. The same figure gives the same bytes.
    """
    out = io.StringIO()
    with mpl.rc_context(
        {
            "svg.hashsalt": name,
            "font.size": 9,
            "svg.fonttype": "none",
            "text.color": INK,
            "axes.edgecolor": LINE,
            "axes.facecolor": "none",
            "axes.labelcolor": FAINT,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "xtick.color": LINE,
            "ytick.color": LINE,
            "xtick.labelcolor": FAINT,
            "ytick.labelcolor": FAINT,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "grid.color": LINE,
            "grid.linewidth": 0.6,
        }
    ):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0.0)
        draw(figure)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Markup(_embed(out.getvalue(), name, title, description))  # noqa: S704 - its texts are escaped by matplotlib


def _embed(document: str, name: str, title: str, description: str) -> str:
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # All texts take the page's font; matplotlib has placed them by their middle or end, so widths may differ.
    svg = re.sub(r"font-family: [^;]*; ", "", svg)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    opening = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-desc">{escape(description)}</desc>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1).strip()


def draw_calibration(bins: Sequence[CalibrationBin], calibration_error: float) -> Markup:
    """Draws a reliability diagram, and below it how many rows are in each bin.

    Args:
        bins: Those that have rows.
        calibration_error: Expected calibration error, a share.

    Returns:
        An `svg` element.

    References:
        Niculescu-Mizil, Caruana (2005), Predicting good probabilities with supervised learning,
        https://doi.org/10.1145/1102351.1102430
    """

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
        confidences = [each.confidence for each in bins]
        accuracies = [each.accuracy for each in bins]
        ends = [wilson_interval(round(each.accuracy * each.count), each.count) for each in bins]
        upper.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
        upper.vlines(confidences, [low for low, _ in ends], [high for _, high in ends], color=ACCENT, linewidth=1.1)
        upper.plot(confidences, accuracies, "o-", color=ACCENT, markersize=4.5, linewidth=1.4)
        upper.set_ylim(0, 1.02)
        upper.set_ylabel("right answers")
        upper.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        upper.grid(color=LINE)
        upper.set_axisbelow(True)
        lower.bar(
            [each.low for each in bins],
            [each.count for each in bins],
            width=[0.92 * (each.high - each.low) for each in bins],
            align="edge",
            color=SOFT,
            edgecolor=ACCENT,
            linewidth=0.6,
        )
        lower.set_xlim(0, 1.01)
        lower.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        lower.set_xlabel("probability of the answer")
        lower.set_ylabel("rows")
        lower.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
        lower.locator_params(axis="y", nbins=3)

    return svg_picture(
        "calibration",
        (4.2, 3.7),
        draw,
        title="Calibration curve",
        description=f"Share of right answers by the probability of the answer, in {len(bins)} bins; the dashed line "
        f"is a model that is as sure as it is right. Expected calibration error {100 * calibration_error:.2f} %.",
    )


def draw_coverage(points: Sequence[CoveragePoint], abstention: Abstention | None) -> Markup:
    """Draws how many answers are right where those of a low probability are not given.

    Args:
        points: By rising coverage, at least one.
        abstention: Where the model abstains, if it does.

    Returns:
        An `svg` element.

    References:
        El-Yaniv, Wiener (2010), On the Foundations of Noise-free Selective Classification: the risk-coverage curve.
    """
    # The first rows say little: one mistake among the ten surest is not a tenth.
    shown = [each for each in points if each.coverage >= _LEAST_COVERAGE] or list(points)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([each.coverage for each in shown], [each.precision for each in shown], color=ACCENT, linewidth=1.6)
        if abstention is not None and abstention.precision is not None:
            axes.axhline(abstention.wanted, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.plot([abstention.coverage], [abstention.precision], "o", color=ACCENT, markersize=8)
        axes.set_xlim(0, 1.02)
        low = min([each.precision for each in shown] + ([abstention.wanted] if abstention else []))
        axes.set_ylim(max(0.0, low - 0.05), 1.005)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("rows that are answered")
        axes.set_ylabel("right answers among them")
        axes.grid(color=LINE)
        axes.set_axisbelow(True)

    half = min(points, key=lambda each: abs(each.coverage - 0.5))
    return svg_picture(
        "coverage",
        (4.4, 2.8),
        draw,
        title="Coverage",
        description=f"Where all rows are answered, {100 * points[-1].precision:.1f} % of the answers are right; "
        f"where the surest {100 * half.coverage:.0f} % are, {100 * half.precision:.1f} %.",
    )


_LEAST_COVERAGE = 0.02


def draw_interval(test: PairedTest) -> Markup:
    """Draws the interval of the difference in what is compared, in points.

    Args:
        test: Candidate against baseline.

    Returns:
        An `svg` element.
    """
    low, high = (100 * end for end in test.confidence_interval)
    difference = 100 * test.difference

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(0.0, ymax=0.62, color=INK, linewidth=1.0)
        axes.plot([low, high], [0, 0], color=ACCENT, linewidth=5, solid_capstyle="butt", alpha=0.45)
        axes.plot([difference], [0], "o", color=ACCENT, markersize=8)
        for end, side in ((low, "right"), (high, "left")):
            axes.annotate(
                f"{end:+.2f}",
                (end, 0),
                xytext=(-6 if side == "right" else 6, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                color=FAINT,
                fontsize=8.5,
            )
        axes.annotate(
            f"{difference:+.2f}",
            (difference, 0),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
        )
        for place, words, side in ((0.0, "the baseline is better", "left"), (1.0, "this model is better", "right")):
            axes.text(place, 0.98, words, transform=axes.transAxes, ha=side, va="top", color=FAINT, fontsize=8.5)
        reach = 1.45 * max(abs(low), abs(high), 0.05)
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-1, 2.0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
        axes.set_xlabel(f"difference in {test.metric.partition(' of ')[0]}, points")

    return svg_picture(
        "interval",
        (4.4, 1.3),
        draw,
        title="Difference in accuracy to the baseline",
        description=f"{difference:+.2f} points, {100 * test.level:g} % interval from {low:+.2f} to {high:+.2f}; "
        f"zero is {'inside' if low <= 0 <= high else 'outside'} the interval.",
    )


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
    is_fraction = figure_name == "accuracy"

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
        if is_fraction:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %", decimals=0))

    return svg_picture(
        f"training-{figure_name}",
        (3.7, 2.5),
        draw,
        title=f"{figure_name.capitalize()} by epoch",
        description=f"On the training rows and on the eval split, over {len(epochs)} epochs. The weights of epoch "
        f"{record.best_epoch} were kept; there the {figure_name} on the eval split is "
        f"{f'{100 * best:.2f} %' if is_fraction else f'{best:.3f}'}.",
    )
