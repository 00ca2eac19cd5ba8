"""Where every file of a run is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agnews.schemas.errors import AgnewsError

DEFAULT_ROOT = Path("workspace")


@dataclass(frozen=True)
class Paths:
    """The folders and files under one root.

    Attributes:
        root: Folder that holds everything; two runs never work in the same root at once.
    """

    root: Path

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
        AgnewsError: The folder cannot be made or written.
    """
    root = root.expanduser().absolute()
    probe = root / ".writable"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise AgnewsError(
            "The root folder cannot be written.",
            found=f"{root} ({error.strerror or error})",
            fix="Choose a folder of your own with --root DIR, or mend its permissions.",
        ) from error
    return Paths(root)
