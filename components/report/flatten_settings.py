"""A configuration as a flat list of keys, as `--set` takes them."""

from __future__ import annotations

from collections.abc import Mapping


def flatten_settings(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Flattens a tree of settings.

    Args:
        tree: Sections in sections.
        prefix: Stands before every key.

    Returns:
        Values by dotted key, in the order of the tree.
    """
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= flatten_settings(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
