"""The console on which commands of this layer print."""

from __future__ import annotations

from rich.console import Console

_WIDE = 400


def open_console() -> Console:
    """Returns a console that folds nothing where no person looks: other programs read lines."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)
