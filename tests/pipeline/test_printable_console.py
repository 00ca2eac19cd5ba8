"""What others have written is shown on a terminal, and not obeyed by it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from agnews.pipeline.printable_console import printable_console

HOSTILE = "ham\x1b]0;owned\x1b\\\x9b2J"
SHOWN = "ham\\x1b]0;owned\\x1b\\\\x9b2J"


def test_nothing_that_a_terminal_would_obey_gets_there(capsys: pytest.CaptureFixture[str]) -> None:
    console = printable_console(soft_wrap=True)
    table = Table(box=None)
    table.add_column("class")
    table.add_row(HOSTILE)
    for each in (HOSTILE, Text(HOSTILE), table):
        console.print(each)
    console.print("[bold]styles stay[/bold]")
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 3
    assert "\x1b" not in out
    assert "\x9b" not in out


def test_styles_still_reach_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    printable_console().print(f"[bold]{HOSTILE}[/bold]")
    assert capsys.readouterr().out.startswith("\x1b[1mham\\x1b]0;owned")


def test_no_command_prints_by_another_console(repository: Path) -> None:
    made = []
    for file in sorted((repository / "pipeline/cli").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console":
                # Those with a file show that something is under way, with words of ours.
                made += [] if any(word.arg == "file" for word in node.keywords) else [f"{file.name}:{node.lineno}"]
    assert [place.partition(":")[0] for place in made] == ["corpus.py", "main.py", "prediction_progress.py"], made
