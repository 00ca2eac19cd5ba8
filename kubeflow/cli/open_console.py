"""The console for what a server says: names, errors and logs that others have chosen."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.segment import Segment
from typing_extensions import override

from agnews.pipeline.literal_text import printable

_WIDE = 400


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


def open_console() -> Console:
    """Returns a console that folds nothing where no person looks: other programs read lines.

    It takes no text for markup unless it is told to, and shows no character that a terminal would obey. What is drawn
    anew again and again, as `Live` does, is wrapped in `Printable` by hand.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, markup=False, width=_WIDE)
    console.push_render_hook(_AllPrintable())
    return console
