"""From which probability on a model's answer is given, and below which it says that it does not know."""

from __future__ import annotations

from typing import ClassVar

from agnews.schemas.document import Document


class Abstention(Document):
    """What goes with a pushed version that abstains, and what was found on the test rows."""

    FILE: ClassVar = "abstention.json"

    wanted: float
    """Share of right answers that was asked for."""
    threshold: float | None
    """An answer of a lower probability is none. None where no threshold gives what was asked for."""
    eval_rows: int
    """Rows that the threshold was fitted on."""
    coverage: float
    """Share of the test rows that are answered."""
    precision: float | None
    """Share of right answers among them; None where there are none."""
