"""Four times the rows: how much longer, how much more memory? Training is left out.

The rows of the given folder are repeated with a running number in each text, so that no row is a duplicate. Both
sizes run the whole pipeline up to the token gate and are then evaluated by a model of one epoch on few rows.

    python benchmarks/scaling.py ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

FACTOR = 4
UNTIL = "TokenGate"


def repeat(data: Path, folder: Path, factor: int) -> Path:
    """Writes a corpus with `factor` times the rows in train.csv and in test.csv."""
    folder.mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        with (data / name).open(newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
        with (folder / name).open("w", newline="", encoding="utf-8") as target:
            writer = csv.writer(target, quoting=csv.QUOTE_ALL)
            for copy in range(factor):
                writer.writerows([label, title, f"{text} copy {copy}"] for label, title, text in rows)
    return folder


def run(data: Path, root: Path) -> tuple[float, float, dict[str, float]]:
    """Runs the pipeline up to the token gate; returns seconds of the nodes, peak MiB, and seconds by node."""
    agnews = Path(sys.executable).with_name("agnews")
    subprocess.run(
        [str(agnews), "run", "--data", str(data), "--root", str(root), "--to", UNTIL], check=True, stdout=sys.stderr
    )
    (path,) = root.glob("runs/*/report.json")
    report = json.loads(path.read_text())
    seconds = {name: node["seconds"] for name, node in report["nodes"].items() if node["state"] == "done"}
    return sum(seconds.values()), report["peak_rss_mb"], seconds


def main() -> None:
    """Runs both sizes and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        once = run(repeat(arguments.data, scratch / "data1", 1), scratch / "root1")
        more = run(repeat(arguments.data, scratch / "data4", FACTOR), scratch / "root4")
    for node in once[2]:
        print(f"{node:<18}{once[2][node]:8.1f} s{more[2][node]:8.1f} s{more[2][node] / once[2][node]:8.2f}")
    print(f"{'seconds':<18}{once[0]:8.1f} s{more[0]:8.1f} s{more[0] / once[0]:8.2f} for {FACTOR} times the rows")
    print(f"{'peak memory':<18}{once[1]:6.0f} MiB{more[1]:6.0f} MiB{more[1] / once[1]:8.2f}")


if __name__ == "__main__":
    main()
