"""Records the report of a run as agnews 0.1.0 wrote it, so that a test can show that it is still read.

Run that version (commit acac538) on any rows, then give the root folder; rows and places of the machine are left out:

    /path/to/agnews-0.1.0/.venv/bin/agnews run --data DIR --root ROOT
    python tests/golden/record_report_of_0_1_0.py ROOT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("report_0_1_0.json")


def main(root: Path) -> None:
    """See the module."""
    (path,) = root.glob("runs/*/report.json")
    text = path.read_text(encoding="utf-8")
    source = json.loads(text)["data"]["source"]
    report = json.loads(text.replace(str(root), "/root").replace(source, "/rows"))
    for rows in ("mistakes", "doubtful_labels"):
        for number, row in enumerate(report["documents"]["review"][rows]):
            row["text"] = f"text {number}"
    TARGET.write_text(json.dumps(report, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
