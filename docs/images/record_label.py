"""Draws the picture of the labelling page for docs/monitoring.md: a real browser on a real server.

make run && .venv/bin/python docs/images/record_label.py --root workspace docs/images/label.png

It needs Chromium: apt-get install chromium.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
from pathlib import Path

import httpx
from served_page import browsed, save, served

TEXTS = (
    "Stocks end higher after a quiet week, with makers of chips in front",
    "Striker signs for three more years as the club sells its stadium to a bank",
)


def main() -> None:
    """Starts a server, asks it, labels a text, and keeps what the browser shows then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="Root folder of the run that pushed the model.")
    arguments = parser.parse_args()
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as folder:
        token_file = Path(folder) / "token"
        token_file.write_text(token)
        options = ("--log-requests", Path(folder) / "log", "--token-file", token_file)
        with served(arguments.root, *options) as url:
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
                for text in TEXTS:
                    client.post("/v1/models/agnews:predict", json={"instances": [text]}).raise_for_status()
            shot = _shoot(url, token)
    save(shot, arguments.picture, colors=64, largest=80_000)


def _shoot(url: str, token: str) -> bytes:
    with browsed(780, 500) as page:
        page.goto(f"{url}/label")
        page.get_by_label("Your name").fill("ann")
        page.get_by_label("Token of this server").fill(token)
        page.keyboard.press("Enter")
        while not page.locator("#choices button").first.is_visible():
            # What was asked is in the log within a second.
            page.wait_for_timeout(500)
            if page.locator("#more").is_visible():
                page.locator("#more").click()
        page.keyboard.press("3")
        page.wait_for_timeout(500)
        return page.screenshot()


if __name__ == "__main__":
    main()
