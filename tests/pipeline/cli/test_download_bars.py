"""The bars of downloads in a terminal."""

from __future__ import annotations

import io

from agnews.pipeline.cli.download_bars import download_bars


class Terminal(io.StringIO):
    """Takes what a person would see."""

    def isatty(self) -> bool:
        return True


def test_a_file_is_called_what_it_is_called() -> None:
    terminal = Terminal()
    with download_bars(terminal) as bars:
        bars.add_task("[/b] rows.csv", total=10)
    assert "[/b] rows.csv" in terminal.getvalue()
