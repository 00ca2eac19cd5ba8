"""How a long step says how far it is, without knowing who listens.

A step reports through Python's logging, on the logger `agnews.progress`. The live view of the command line
attaches a handler and draws a bar; on a cluster the same records are lines in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

LOGGER = logging.getLogger("agnews.progress")


@dataclass(frozen=True)
class Progress:
    """How far a step is.

    Attributes:
        node: Name of the node in the pipeline, `Trainer` for example.
        done: Units finished so far.
        total: Units in all, or None where that is not known.
        unit: What is counted: `rows`, `steps`, `bytes`.
        metrics: Figures worth showing now, by name: `{"epoch": 2, "loss": 0.31}`.
    """

    node: str
    done: int
    total: int | None = None
    unit: str = "rows"
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for a log."""
        of = f"/{self.total}" if self.total is not None else ""
        figures = "".join(f"  {name} {value:.4g}" for name, value in self.metrics.items())
        return f"{self.node}: {self.done}{of} {self.unit}{figures}"


def report_progress(progress: Progress) -> None:
    """Says how far a step is, to whoever listens on the logger `agnews.progress`.

    Args:
        progress: The state to tell. Handlers find it whole as the record's attribute `progress`.
    """
    LOGGER.info("%s", progress, extra={"progress": progress})
