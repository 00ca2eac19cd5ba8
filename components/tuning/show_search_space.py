"""A search space as text."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from agnews.components.tuning.dimension import Dimension


def show_search_space(space: Mapping[str, Dimension]) -> str:
    """Writes a search space as `read_search_space` reads it.

    Args:
        space: The dimensions by key.

    Returns:
        YAML, a line a key.
    """
    entries = {key: dimension.model_dump(exclude_defaults=True, mode="json") for key, dimension in space.items()}
    width = max(map(len, entries), default=0) + 1
    lines = []
    for key, entry in entries.items():
        inner = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()
        lines.append(f"{key + ':':<{width}} {inner}\n")
    return "".join(lines)
