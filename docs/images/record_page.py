"""Draws the picture of the page for the README: a real browser on a real server with the model in production.

make run && .venv/bin/python docs/images/record_page.py --root workspace docs/images/page.png

It needs Chromium: apt-get install chromium.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

TEXT = "Chip maker\u2019s shares jump as profit doubles on demand for faster processors"
LARGEST = 150_000
COLORS = 96
_URL = re.compile(r"http://127\.0\.0\.1:\d+")


def main() -> None:
    """Starts a server, types a headline, and keeps what the browser shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="Root folder of the run that pushed the model.")
    arguments = parser.parse_args()
    with _server(arguments.root) as url:
        shot = Image.open(io.BytesIO(_shoot(url)))
    # The page has few colors, and a palette makes the file a third as large.
    shot.convert("RGB").quantize(COLORS).save(arguments.picture, optimize=True)
    size = arguments.picture.stat().st_size
    if size > LARGEST:
        sys.exit(f"{arguments.picture} has {size:,} bytes, which is more than {LARGEST:,}: show less of the page.")


@contextmanager
def _server(root: Path) -> Iterator[str]:
    command = [str(Path(sys.executable).with_name("agnews")), "serve", "--root", str(root), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        try:
            found = next(filter(None, map(_URL.search, server.stderr)), None)
            if found is None:
                sys.exit("agnews serve did not start; run it by itself to see why.")
            yield found[0]
        finally:
            server.send_signal(signal.SIGTERM)


def _shoot(url: str) -> bytes:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit(__doc__)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 860, "height": 700}, device_scale_factor=2, color_scheme="light")
        page.goto(url)
        page.fill("#text", TEXT)
        page.wait_for_selector("#why:not([hidden])[aria-busy=false]", timeout=60_000)
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(500)  # until the bars stand still
        return page.screenshot(full_page=True)


if __name__ == "__main__":
    main()
