"""Packs what a Kubeflow Pipelines server gave, one file a question, into kubeflow_server.json.gz.

The recordings are of version 2.17.0 with Argo Workflows 4.0.5 and Kubernetes 1.34: requests and answers of the API,
what stood in the place of `{{$}}` in each step, nodes of workflows, and how often a step was tried by cause.

python tests/golden/record_kubeflow_server.py FOLDER
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("kubeflow_server.json.gz")


def pack(folder: Path) -> dict[str, object]:
    """Reads all recordings below a folder, by path; those that are no JSON as text."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".txt"))
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text())
        if path.suffix == ".json"
        else path.read_text()
        for path in files
    }


def main() -> None:
    """Packs the folder that is named."""
    text = json.dumps(pack(Path(sys.argv[1])), separators=(",", ":"), ensure_ascii=False)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
