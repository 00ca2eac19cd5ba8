"""The difference to the baseline, with its interval and the line of no difference."""

from __future__ import annotations

from markupsafe import Markup
from matplotlib.figure import Figure

from agnews.components.report.plots.svg_picture import ACCENT, FAINT, INK, LINE, svg_picture
from agnews.schemas.evaluation import PairedTest


def draw_interval(test: PairedTest) -> Markup:
    """Draws the interval of the difference in accuracy, in points.

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
        axes.set_xlabel("difference in accuracy, points")

    return svg_picture(
        "interval",
        (4.4, 1.3),
        draw,
        title="Difference in accuracy to the baseline",
        description=f"{difference:+.2f} points, {100 * test.level:g} % interval from {low:+.2f} to {high:+.2f}; "
        f"zero is {'inside' if low <= 0 <= high else 'outside'} the interval.",
    )
