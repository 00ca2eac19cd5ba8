"""What Kubeflow's launcher trips over in the outputs of a step whose work is done."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LOGGER = logging.getLogger(__name__)


def plain_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Writes properties of an artifact so that the launcher can read them.

    It reads them as protobuf's JSON, which has no number for NaN and Infinity, and refuses a property that is null: the
    step would fail after its work.

    Args:
        metadata: Properties by name.

    Returns:
        The same: numbers that are none as the texts `NaN`, `Infinity` and `-Infinity`, and no property that is null.
    """
    return {name: _plain(value) for name, value in metadata.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def replace_links(output: Path) -> list[Path]:
    """Puts copies in the place of links in an output: the launcher uploads files and takes a link for one.

    Args:
        output: Folder of an output; it need not exist.

    Returns:
        Links that lead nowhere, or to a folder that they lie in; they were removed.
    """
    removed = []
    for link in sorted(path for path in output.rglob("*") if path.is_symlink()):
        target = link.resolve()
        if not target.exists() or link.parent.resolve().is_relative_to(target):
            _LOGGER.warning("%s leads to %s, which cannot be uploaded: it is left out.", link, target)
            link.unlink()
            removed.append(link)
        elif target.is_dir():
            link.unlink()
            shutil.copytree(target, link, ignore_dangling_symlinks=True)
        else:
            link.unlink()
            shutil.copy2(target, link)
    return removed
