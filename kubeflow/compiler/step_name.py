"""What a node is called on Kubeflow."""

from __future__ import annotations

import re


def step_name(node: str) -> str:
    """Returns the name of a node as Kubeflow Pipelines writes names: `NewsExampleGen` becomes `news-example-gen`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node).lower()
