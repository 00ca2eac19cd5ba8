"""Writes docs/cli.md from the help texts of the command line; a test checks that it is up to date.

python docs/make_cli_reference.py
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"


def reference() -> str:
    """Returns the page, as typer writes it from the commands, with bold text in Markdown."""
    command = [sys.executable, "-m", "typer", "agnews.pipeline.cli.main", "utils", "docs", "--name", "agnews"]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    page = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    page = re.sub(r'<span style="font-weight: bold">(.*?)</span>', r"**\1**", page, flags=re.DOTALL)
    return html.unescape(page).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
