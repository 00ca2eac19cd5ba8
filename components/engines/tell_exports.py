"""What was made of a model for other engines, for whoever decides about it."""

from __future__ import annotations

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import choose_export, find_exports
from agnews.schemas.evaluation import ExportOutcome


def tell_exports(folder: str) -> tuple[ExportOutcome, ...]:
    """Describes the exports of a model.

    Args:
        folder: The SavedModel.

    Returns:
        Those that passed their paired test, and those that did not; none if nothing was made.
    """
    found = find_exports(folder)
    taken = choose_export(folder, "", EngineChoice.AUTO) if found else None
    return tuple(
        ExportOutcome(
            name=each.export.name,
            passed=each.export.passed,
            answers=taken is not None and taken.folder == each.folder,
            reason=each.export.reason,
            rows=each.export.test.rows,
            changed_answers=each.export.test.changed_answers,
            difference=each.export.test.paired.difference,
            milliseconds=each.export.speed.engine,
            tensorflow_milliseconds=each.export.speed.tensorflow,
        )
        for each in found
    )
