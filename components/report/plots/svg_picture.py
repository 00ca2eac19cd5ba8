"""From a figure of matplotlib to SVG that belongs to a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

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
