"""Object stores have no folders; some tools write empty objects in their place."""

from __future__ import annotations

from pathlib import Path

_FOLDERS = frozenset(
    {
        "assets",
        "assets.extra",
        "metadata",
        "transform_fn",
        "transformed_metadata",
        "variables",
    }
)
_FOLDER_PREFIXES = ("Format-", "Split-")
_MARKER_SUFFIX = "_$folder$"


def remove_folder_markers(artifact: Path) -> list[Path]:
    """Removes empty files that stand for folders from a mirrored artifact.

    Downloaded, the marker `Split-train/` is an empty file `Split-train`, and `Split-train_$folder$` one that a reader
    takes for data. Other empty files stay: an empty proto is a legal one.

    Args:
        artifact: The folder of the artifact; it need not exist.

    Returns:
        What was removed.
    """
    candidates = [artifact] if artifact.is_file() else sorted(artifact.rglob("*"))
    removed = [path for path in candidates if path.is_file() and not path.stat().st_size and _is_marker(path, artifact)]
    for path in removed:
        path.unlink()
    return removed


def _is_marker(path: Path, artifact: Path) -> bool:
    return (
        path == artifact
        or path.name in _FOLDERS
        or path.name.startswith(_FOLDER_PREFIXES)
        or path.name.endswith(_MARKER_SUFFIX)
    )
