"""A compiled pipeline as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

_WIDTH = 120


def write_documents(spec: Mapping[str, Any], platform: Mapping[str, Any]) -> str:
    """Writes YAML as KFP's compiler does: keys in order, the platform document second.

    Args:
        spec: The pipeline spec.
        platform: The platform document; empty for none.

    Returns:
        The text, with a head that lists the parameters of a run for who opens the file.
    """
    head = ["# PIPELINE DEFINITION", f"# Name: {spec['pipelineInfo']['name']}", "# Inputs:"]
    for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items():
        default = f" [Default: {parameter['defaultValue']!r}]" if "defaultValue" in parameter else " [Required]"
        head.append(f"#    {name}: {parameter['parameterType']}{default} {parameter['description']}")
    documents = [spec, platform] if platform else [spec]
    return "\n".join(head) + "\n" + yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=_WIDTH)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Repeats equal parts, which are easier to read than references to each other."""
        return True
