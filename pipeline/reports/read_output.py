"""A document from an output of a node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agnews.components.model_store.files import files_at

if TYPE_CHECKING:
    from agnews.pipeline.local.observer import NodeResult


def read_output(result: NodeResult, key: str, name: str) -> dict[str, Any]:
    """Reads a JSON document from an output artifact of a node.

    Args:
        result: What became of the node; it ended well.
        key: Key of the output.
        name: Name of the document in the artifact's folder.

    Returns:
        The document.
    """
    path = f"{result.outputs[key].rstrip('/')}/{name}"
    document: dict[str, Any] = json.loads(b"".join(files_at(path).read(path)))
    return document
