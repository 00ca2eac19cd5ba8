"""The console for what a server says: names, errors and logs that others have chosen."""

from __future__ import annotations

from rich.console import Console

from agnews.pipeline.printable_console import printable_console

_WIDE = 400


def open_console() -> Console:
    """Returns a console that folds nothing where no person looks: other programs read lines.

    It takes no text for markup unless it is told to.
    """
    console = printable_console(soft_wrap=True, markup=False)
    return console if console.is_terminal else printable_console(soft_wrap=True, markup=False, width=_WIDE)
