"""Takes the picture of a report, report.png beside this file.

python docs/images/record_report.py [--root DIR]

Two runs on the generated sample, so that there is a baseline to compare with, then the top of the second one's page in
Chromium. Needs Chromium (apt-get install chromium), about three minutes, and no network.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("report.png")
AGNEWS = Path(sys.executable).with_name("agnews")
WIDTH, HEIGHT = 1280, 1340
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def run_twice(root: Path) -> Path:
    """Runs the pipeline with few epochs and then as it stands; returns the page of the second run."""
    for settings in (["--set", "training.epochs=1"], []):
        subprocess.run([str(AGNEWS), "run", "--root", str(root), *settings], check=True)
    found = subprocess.run(
        [str(AGNEWS), "report", "show", "--root", str(root), "--json"], check=True, capture_output=True, text=True
    )
    return root / "runs" / json.loads(found.stdout)["run_id"] / "report.html"


def photograph(page: Path) -> bytes:
    """Returns the top of a page as PNG."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("No Chromium found: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        tab = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.as_uri())
        picture = tab.screenshot()
        chromium.close()
    return picture


def main() -> None:
    """Makes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="empty folder for the runs; default: one that is removed")
    root = parser.parse_args().root
    with tempfile.TemporaryDirectory() as folder:
        picture = Image.open(io.BytesIO(photograph(run_twice((root or Path(folder)).absolute()))))
    # 128 colours are enough for text and bars, and a third of the size.
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
