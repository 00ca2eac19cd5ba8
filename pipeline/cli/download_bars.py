"""How far downloads are, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress


def download_bars(terminal: TextIO) -> Progress:
    """Makes bars that go away when all is there; without a terminal there are none.

    Args:
        terminal: Where they are shown.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        # Names of files are other people's.
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=terminal),
        transient=True,
        disable=not terminal.isatty(),
    )
