"""Draws the picture of the labelling page for docs/monitoring.md: a real browser on a real server.

make run && .venv/bin/python docs/images/record_label.py --root workspace docs/images/label.png

It needs Chromium: apt-get install chromium.
"""

from __future__ import annotations

import argparse
import io
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright

TEXTS = (
    "Stocks end higher after a quiet week, with makers of chips in front",
    "Striker signs for three more years as the club sells its stadium to a bank",
)
LARGEST = 80_000
COLORS = 64
_URL = re.compile(r"http://127\.0\.0\.1:\d+")


def main() -> None:
    """Starts a server, asks it, labels a text, and keeps what the browser shows then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="Root folder of the run that pushed the model.")
    arguments = parser.parse_args()
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory() as folder, _server(arguments.root, Path(folder), token) as url:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
            for text in TEXTS:
                client.post("/v1/models/agnews:predict", json={"instances": [text]}).raise_for_status()
        shot = Image.open(io.BytesIO(_shoot(url, token)))
    shot.convert("RGB").quantize(COLORS).save(arguments.picture, optimize=True)
    size = arguments.picture.stat().st_size
    if size > LARGEST:
        sys.exit(f"{arguments.picture} has {size:,} bytes, which is more than {LARGEST:,}: show less of the page.")


@contextmanager
def _server(root: Path, folder: Path, token: str) -> Iterator[str]:
    (folder / "token").write_text(token)
    command = [str(Path(sys.executable).with_name("agnews")), "serve", "--root", str(root), "--port", "0"]
    command += ["--log-requests", str(folder / "log"), "--token-file", str(folder / "token")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        try:
            found = next(filter(None, map(_URL.search, server.stderr)), None)
            if found is None:
                sys.exit("agnews serve did not start; run it by itself to see why.")
            yield found[0]
        finally:
            server.send_signal(signal.SIGTERM)


def _shoot(url: str, token: str) -> bytes:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit(__doc__)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 780, "height": 500}, color_scheme="light")
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
