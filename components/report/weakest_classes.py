"""Which of many classes are worth a line."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.schemas.evaluation import ClassMetrics


def weakest_classes(per_class: Sequence[ClassMetrics], most: int) -> list[ClassMetrics]:
    """Returns so many classes at `most`, those with the lowest F1 first; one without test rows has no F1."""
    return sorted((each for each in per_class if each.count), key=lambda each: each.f1)[:most]
