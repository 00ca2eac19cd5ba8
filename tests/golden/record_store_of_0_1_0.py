"""Records a model store as agnews 0.1.0 wrote it, so that a test can show that it is still read.

Run it with the Python of a checkout of that version (commit acac538), which has another interface than today's:

    /path/to/agnews-0.1.0/.venv/bin/python tests/golden/record_store_of_0_1_0.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("store_0_1_0")


def main() -> None:
    """See the module."""
    from agnews.components.model_store import ModelStore

    shutil.rmtree(TARGET, ignore_errors=True)
    store: Any = ModelStore(os.path.relpath(TARGET), "agnews")
    for number in range(3):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "variables").mkdir()
            (Path(folder) / "saved_model.pb").write_bytes(b"graph %d\n" % number)
            (Path(folder) / "variables" / "variables.index").write_bytes(b"index %d\n" % number)
            current = store.production()
            store.publish(
                model=folder,
                extra_files={},
                judged_against=current.version if current else "",
                fingerprint=f"fingerprint {number}",
                run_id=f"run-{number}",
                accuracy=0.9 + number / 100,
                classes=("World", "Sports"),
            )
    store.rollback()
    (TARGET / "agnews" / ".lock").unlink()


if __name__ == "__main__":
    main()
