"""The console of commands: no word from outside moves a cursor, changes a title, or hides another word."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment
from typing_extensions import override

from agnews.pipeline.literal_text import printable


class Printable:
    """Something on the console, without what a terminal would obey.

    Args:
        content: What is shown.
    """

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in console.render(self._content, options):
            yield part if part.control else Segment(printable(part.text), part.style)


class _AllPrintable(RenderHook):
    @override
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [Printable(each) for each in renderables]


def printable_console(
    *, stderr: bool = False, soft_wrap: bool = False, markup: bool = True, width: int | None = None
) -> Console:
    """Returns a console that shows characters which a terminal would obey escaped.

    Names of classes, files and versions come from files and stores that others may have written. What is drawn anew
    again and again, as `Live` does, is wrapped in `Printable` by hand; `literal` keeps brackets from being styles.

    Args:
        stderr: Whether it writes to standard error.
        soft_wrap: Whether lines are left to the terminal to fold.
        markup: Whether text is taken for markup unless it is told not to be.
        width: Columns; None for those of the terminal.
    """
    console = Console(stderr=stderr, highlight=False, soft_wrap=soft_wrap, markup=markup, width=width)
    console.push_render_hook(_AllPrintable())
    return console
