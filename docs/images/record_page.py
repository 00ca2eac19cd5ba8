"""Draws the picture of the page for the README: a real browser on a real server with the model in production.

make run && .venv/bin/python docs/images/record_page.py --root workspace docs/images/page.png

It needs Chromium: apt-get install chromium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from served_page import browsed, save, served

TEXT = "Chip maker\u2019s shares jump as profit doubles on demand for faster processors"


def main() -> None:
    """Starts a server, types a headline, and keeps what the browser shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="Root folder of the run that pushed the model.")
    arguments = parser.parse_args()
    with served(arguments.root) as url:
        shot = _shoot(url)
    save(shot, arguments.picture, colors=96, largest=150_000)


def _shoot(url: str) -> bytes:
    with browsed(860, 700, scale=2) as page:
        page.goto(url)
        page.fill("#text", TEXT)
        page.wait_for_selector("#why:not([hidden])[aria-busy=false]", timeout=60_000)
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(500)  # until the bars stand still
        return page.screenshot(full_page=True)


if __name__ == "__main__":
    main()
