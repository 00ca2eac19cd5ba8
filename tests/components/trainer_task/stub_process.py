"""Stands for a process that trains and does what its task says: `python stub_process.py TASK --tell FD`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

task = json.loads(Path(sys.argv[1]).read_text())
line = os.fdopen(int(sys.argv[3]), "w", buffering=1)
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
folder = Path(task["settings"]["folder"])
does = task["settings"]["does"][index]


def tell(message: dict[str, Any]) -> None:
    line.write(f"{json.dumps(message)}\n")


def fail(problem: str, code: int) -> None:
    tell({"error": {"problem": problem, "found": "seen", "fix": "mend", "exit_code": code}})
    sys.exit(code)


def stop(*_: object) -> None:
    (folder / f"backup-{index}").touch()
    os._exit(143)


def end_with_parent() -> None:
    sys.stdin.read()
    (folder / f"orphan-{index}").touch()
    os._exit(143)


signal.signal(signal.SIGTERM, stop if does != "is deaf" else signal.SIG_IGN)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.stderr.write(f"words of {index}\n")
sys.stderr.flush()
(folder / f"pid-{index}").write_text(str(os.getpid()))
tell({"progress": {"node": "Trainer", "done": index + 1, "total": 9, "unit": "steps", "metrics": {"loss": 0.5}}})
if does in ("waits", "is deaf"):
    time.sleep(120)
elif does == "loses the other":
    time.sleep(1)
    fail("Another process of this training went away.", 1)
elif does == "fails":
    fail("The loss is not a number.", 1)
elif does == "refuses":
    fail("These rows cannot be learnt from.", 2)
elif does == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
