"""What a schema allows, in words."""

from __future__ import annotations

from typing import Any

_TYPES = {1: "bytes", 2: "an integer", 3: "a float", 4: "a structure"}


def describe_rules(feature: Any) -> str:
    """Says what the schema allows in one feature.

    Args:
        feature: tensorflow_metadata's Feature.

    Returns:
        One line: `an integer, in every row, one value, 0 to 3`.
    """
    rules = [_TYPES.get(feature.type, "any type")]
    if feature.presence.min_fraction == 1.0:
        rules.append("in every row")
    elif feature.presence.min_fraction > 0.0:
        rules.append(f"in at least {feature.presence.min_fraction:.0%} of the rows")
    if feature.HasField("shape") and not feature.shape.dim:
        rules.append("one value")
    if feature.HasField("int_domain"):
        rules.append(_range(feature.int_domain))
    if feature.HasField("string_domain"):
        rules.append(f"one of {', '.join(feature.string_domain.value)}")
    return ", ".join(rules)


def _range(domain: Any) -> str:
    if domain.HasField("max"):
        return f"{domain.min} to {domain.max}"
    return f"{domain.min} or more"
