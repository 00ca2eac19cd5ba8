"""A report as one HTML page."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from agnews.schemas.run_report import RunReport

_HERE = files("agnews.components.report")


def render_report(report: RunReport) -> str:
    """Renders a report.

    The page needs nothing but itself: no script, no font, no picture from elsewhere. The same report gives the same
    bytes.

    Args:
        report: Of any run, also of one that failed or ended early: what is not known has no section.

    Returns:
        The HTML.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": _percent, "number": _number}
    template = environment.from_string((_HERE / "report.html").read_text(encoding="utf-8"))
    style = Markup((_HERE / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return template.render(report=report, documents=report.documents, style=style)


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _number(count: float) -> str:
    return f"{count:,.0f}"
