"""What the scripts beside it share: a real server, a real browser, and a small picture of what that shows."""

from __future__ import annotations

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
from playwright.sync_api import Page, sync_playwright

_URL = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def served(root: Path, *options: str | Path) -> Iterator[str]:
    """Runs `agnews serve`.

    Args:
        root: Root folder of the run that pushed the model.
        options: More of the command.

    Yields:
        Where it answers.
    """
    command = [str(Path(sys.executable).with_name("agnews")), "serve", "--root", str(root), "--port", "0"]
    with subprocess.Popen([*command, *map(str, options)], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        try:
            found = next(filter(None, map(_URL.search, server.stderr)), None)
            if found is None:
                sys.exit("agnews serve did not start; run it by itself to see why.")
            yield found[0]
        finally:
            server.send_signal(signal.SIGTERM)


@contextmanager
def browsed(width: int, height: int, scale: float = 1) -> Iterator[Page]:
    """Opens a page in Chromium.

    Args:
        width: Of the window, in pixels of CSS.
        height: The same.
        scale: Pixels of the picture for each of them.

    Yields:
        The page, in light colors.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=scale, color_scheme="light"
        )


def save(shot: bytes, picture: Path, *, colors: int, largest: int) -> None:
    """Writes a picture with a palette, which makes it a third as large; pages have few colors.

    Args:
        shot: What the browser has drawn, as PNG.
        picture: The file.
        colors: Of the palette.
        largest: Bytes that the file may have.
    """
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(colors).save(picture, optimize=True)
    size = picture.stat().st_size
    if size > largest:
        sys.exit(f"{picture} has {size:,} bytes, which is more than {largest:,}: show less of the page.")
