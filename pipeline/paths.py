"""Where every file of a run is."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

import filelock

from agnews.schemas.errors import AgnewsError, ExitCode

_PATTERN_SIGNS = "[]*?\\"
_ADDRESS = re.compile(r"(?:^|/)[a-z][a-z0-9+.-]+:/")
"""As it is left of one that was taken for a path."""


@dataclass(frozen=True)
class Paths:
    """The folders and files under one root.

    Attributes:
        root: Folder that holds everything; two runs never work in the same root at once.
    """

    root: Path

    def __post_init__(self) -> None:
        """Refuses an address, which would become a folder of its name.

        Raises:
            AgnewsError: The root is no path.
        """
        if _ADDRESS.search(str(self.root)):
            raise AgnewsError(
                "The root folder is a folder of this machine.",
                found=self.root,
                fix="Name one with --root DIR; `agnews models copy VERSION --to URI` takes a model elsewhere.",
            )

    @property
    def metadata(self) -> Path:
        """SQLite database in which TFX records executions and artifacts."""
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        """What the nodes hand on to each other, a folder a node."""
        return self.root / "artifacts"

    @property
    def models(self) -> Path:
        """The push destination: `models/NAME/VERSION` and the pointer `models/NAME/latest.json`."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """A folder a run."""
        return self.root / "runs"

    @property
    def scratch(self) -> Path:
        """What a cut run goes on from, and what later runs need not compute again; may be deleted between runs."""
        return self.root / "scratch"

    @property
    def lock(self) -> Path:
        """Held by the process that works in this root."""
        return self.root / "lock"

    def run(self, run_id: str) -> Path:
        """Folder of a run."""
        return self.runs / run_id

    def report(self, run_id: str) -> Path:
        """What a run did, as JSON."""
        return self.run(run_id) / "report.json"

    def page(self, run_id: str) -> Path:
        """The same for people, as HTML."""
        return self.run(run_id) / "report.html"

    def log(self, run_id: str) -> Path:
        """Everything that libraries print during a run."""
        return self.run(run_id) / "run.log"


def prepare_root(root: Path) -> Paths:
    """Makes the root folder and makes sure that it can be written.

    Args:
        root: The folder; relative paths are made absolute, since artifacts record where they are.

    Returns:
        The paths under it.

    Raises:
        AgnewsError: The folder cannot be made or written, or its path would be taken for a pattern.
    """
    paths = Paths(root.expanduser().absolute())
    root = paths.root
    require_plain_path(root, "the root folder")
    try:
        root.mkdir(parents=True, exist_ok=True)
        # What others may read has to be found, too: models are served by other users, rows are nobody else's.
        for private in (paths.artifacts, paths.runs, paths.scratch):
            private.mkdir(mode=0o700, exist_ok=True)
        with TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise AgnewsError(
            "The root folder cannot be written.",
            found=f"{root} ({error.strerror or error})",
            fix="Choose a folder of your own with --root DIR, or mend its permissions.",
        ) from error
    return paths


def require_plain_path(path: str | Path, what: str) -> None:
    """Refuses a path with a sign that TensorFlow, TFX or Beam would take for a pattern, hours before they would.

    Args:
        path: A path or URI below which files will be looked for.
        what: What it is, for the message.

    Raises:
        AgnewsError: It holds one of the signs.
    """
    found = [sign for sign in _PATTERN_SIGNS if sign in str(path)]
    if found:
        raise AgnewsError(
            f"The path of {what} holds `{found[0]}`, which TensorFlow, TFX and Beam take for a pattern of file names.",
            found=str(path),
            fix=f"Use a path without any of {' '.join(_PATTERN_SIGNS)} in it; a symbolic link to the folder will do.",
        )


@contextmanager
def root_lock(path: Path, purpose: str) -> Iterator[None]:
    """Holds the lock of a root folder; the operating system frees it however the process ends.

    Args:
        path: The lock file.
        purpose: What the holder does, for the message that a second process gets.

    Yields:
        Nothing; the lock is held inside.

    Raises:
        AgnewsError: Another process holds it; the message says which and since when.
    """
    holder = path.with_suffix(".json")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise AgnewsError(
            f"Another process works in {path.parent}.",
            found=_describe(holder),
            fix="Wait until it ends, or give this run a folder of its own with --root DIR.",
            exit_code=ExitCode.LOCKED,
        ) from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "purpose": purpose, "since": since}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text())
        return f"process {facts['pid']} ({facts['purpose']}), since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # The other process is just starting or ending: the lock is certain, the description is not.
        return "a process that has not said who it is"


def new_run_id() -> str:
    """Returns a name that sorts by time and is not given twice."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
