"""What a run of texts with several classes can do."""

from __future__ import annotations

from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig


def require_room_for_sets(config: RunConfig) -> None:
    """Refuses what is made for one class a text.

    Args:
        config: Of a run whose corpus has several.

    Raises:
        AgnewsError: A setting asks for it.
    """
    refused = (
        (config.model.kind == "ensemble", "model.kind", config.model.kind, "--set model.kind=linear or transformer"),
        (
            config.training.class_weights != "none",
            "training.class_weights",
            config.training.class_weights,
            "--set training.class_weights=none: thresholds of their own do for rare classes what weights would",
        ),
        (
            config.evaluation.abstain_precision > 0.0,
            "evaluation.abstain_precision",
            config.evaluation.abstain_precision,
            "--set evaluation.abstain_precision=0: a text that no class is likely enough for is given none",
        ),
        (bool(config.export.formats), "export.formats", ", ".join(config.export.formats), "--set export.formats=[]"),
    )
    for is_set, key, value, fix in refused:
        if is_set:
            raise AgnewsError(
                f"{key} is for texts of one class, and the corpus gives a text several (label.separator).",
                found=f"{key}={value}",
                fix=fix,
            )
