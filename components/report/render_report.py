"""A report as one HTML page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from agnews.components.report.assemble_report import headline
from agnews.components.report.flatten_settings import flatten_settings
from agnews.components.report.plots.svg_picture import draw_calibration, draw_coverage, draw_interval, draw_training
from agnews.components.report.weakest_classes import weakest_classes
from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.evaluation import Evaluation, SliceMetrics
from agnews.schemas.run_report import RunReport

_HERE = files("agnews.components.report")
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""Characters that HTML does not allow."""
_FEW_ROWS = 30
_MATRIX_CLASSES = 20
"""Of more classes nobody reads a matrix: the pairs that are taken for each other most often stand in its place."""
_UPRIGHT_CLASSES, _UPRIGHT_CHARACTERS = 6, 10
_CLASSES_SHOWN = 1000
_CONFUSIONS_SHOWN = 20


class Reason(NamedTuple):
    """A rule for a push.

    Attributes:
        text: What was found.
        state: `passed`, `failed`, or `forced` for the sentence that says so.
    """

    text: str
    state: str


class Slice(NamedTuple):
    """A part of the test split.

    Attributes:
        figures: What was measured on it.
        low: Lower end of the interval of its accuracy.
        high: Upper end.
    """

    figures: SliceMetrics
    low: float
    high: float


def render_report(report: RunReport) -> str:
    """Renders a report.

    The page needs nothing but itself: no script, no font, no picture from elsewhere. The same report gives the same
    bytes.

    Args:
        report: Of any run, also of one that failed or ended early: what is not known has no section.

    Returns:
        The HTML.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: _NO_TEXT.sub("\ufffd", value) if type(value) is str else value,
    )
    environment.filters |= {"percent": _percent, "number": _number, "seconds": _seconds, "when": _when}
    environment.filters["breakable"] = _breakable
    documents = report.documents
    evaluation, training, review = documents.evaluation, documents.training, documents.review
    paired = evaluation.verdict.paired_test if evaluation else None
    slices = _slices(evaluation) if evaluation else []
    return environment.from_string((_HERE / "report.html").read_text(encoding="utf-8")).render(
        report=report,
        documents=documents,
        headline=headline(report),
        reasons=_reasons(evaluation) if evaluation else [],
        paired=paired,
        accuracy_interval=_interval(evaluation.metrics.accuracy, evaluation.metrics.count) if evaluation else None,
        slices=slices,
        matrix_classes=_MATRIX_CLASSES,
        classes_shown=_CLASSES_SHOWN,
        confusions_shown=_CONFUSIONS_SHOWN,
        tall_matrix=_is_tall(evaluation) if evaluation else False,
        weakest=weakest_classes(evaluation.metrics.per_class, _MATRIX_CLASSES) if evaluation else [],
        rows_of={each.name: each.count for each in evaluation.metrics.per_class} if evaluation else {},
        slice_scale=_scale(slices),
        settings=flatten_settings({"model": report.model, **report.settings}),
        interval_plot=draw_interval(paired) if paired else None,
        calibration_plot=draw_calibration(review.calibration, evaluation.metrics.ece)
        if review and evaluation
        else None,
        coverage_plot=draw_coverage(review.coverage, evaluation.abstention)
        if review and review.coverage and evaluation
        else None,
        abstention=evaluation.abstention if evaluation else None,
        training_plots=[draw_training(training, "loss"), draw_training(training, "accuracy")] if training else [],
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
    )


def _reasons(evaluation: Evaluation) -> list[Reason]:
    """The verdict has one sentence for each rule, failed ones first, and before them one on a forced promotion."""
    verdict = evaluation.verdict
    states = ["forced"] * verdict.forced + ["failed"] * len(verdict.failed_rules)
    states += ["passed"] * (len(verdict.reasons) - len(states))
    return [Reason(*each) for each in zip(verdict.reasons, states, strict=True)]


def _is_tall(evaluation: Evaluation) -> bool:
    """Whether names of columns stand upright, since they would be wider than what is below them."""
    names = [each.name for each in evaluation.metrics.per_class]
    return len(names) > _UPRIGHT_CLASSES or max(map(len, names), default=0) > _UPRIGHT_CHARACTERS


def _slices(evaluation: Evaluation) -> list[Slice]:
    found = [each for each in evaluation.slices if each.feature != "label" and each.count]
    return [Slice(each, *_interval(each.accuracy, each.count)) for each in found]


def _interval(accuracy: float, rows: int) -> tuple[float, float]:
    return wilson_interval(round(accuracy * rows), rows)


def _scale(slices: Sequence[Slice]) -> tuple[float, float]:
    """Both ends of an axis for the intervals, in steps of five points; those of a few rows are cut at its ends."""
    shown = [each for each in slices if each.figures.count >= _FEW_ROWS] or slices
    if not shown:
        return 0.0, 1.0
    low = math.floor(20 * min(each.low for each in shown)) / 20
    high = math.ceil(20 * max(each.high for each in shown)) / 20
    return low, max(high, low + 0.05)


def _breakable(name: str) -> Markup:
    """Lets a long name of one word go on in the next line where its parts end."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/.:-])(?=[^\W_])", _NO_TEXT.sub("\ufffd", name)))


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _number(count: float) -> str:
    return f"{count:,.0f}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _when(run_id: str) -> str:
    """When a run began, where its name tells it."""
    found = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)-", run_id)
    return "{}-{}-{} {}:{} UTC".format(*found.groups()[:5]) if found else ""
