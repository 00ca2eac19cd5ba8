"""The register of encoder families: a new one is a file with an `EncoderFamily`, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.components.encoders.distilbert_family import DISTILBERT
from agnews.components.encoders.electra_family import ELECTRA
from agnews.components.encoders.encoder_family import EncoderFamily

FAMILIES: dict[str, EncoderFamily] = {
    family.model_type: family
    for family in (
        EncoderFamily(model_type="bert", class_stem="Bert"),
        DISTILBERT,
        ELECTRA,
    )
}
"""By the `model_type` of a config.json."""


def family_of(content: Mapping[str, object]) -> EncoderFamily | None:
    """Finds the family that a config.json is of.

    Args:
        content: Of the config.json. Files from before there was a `model_type` name the class of their model instead.

    Returns:
        The family; None where it is of none that is known, or does not say.
    """
    if content.get("model_type") is not None:
        return FAMILIES.get(str(content["model_type"]))
    classes = content.get("architectures")
    name = str(classes[0]) if isinstance(classes, list) and classes else ""
    found = (family for family in FAMILIES.values() if name.startswith(f"{family.class_stem}For"))
    return next(found, next((each for each in FAMILIES.values() if name == f"{each.class_stem}Model"), None))
