"""How far a model's confidence can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from agnews.components.report.plots.svg_picture import ACCENT, FAINT, LINE, SOFT, svg_picture
from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.prediction_review import CalibrationBin


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
