"""The digest of an encoder that was saved by TensorFlow."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agnews.components.encoders.find_encoder import SAVED_MODEL


def digest_saved_model(folder: Path) -> str:
    """Reads all files of a SavedModel that its outputs depend on.

    Args:
        folder: The SavedModel's.

    Returns:
        sha256 over their paths and contents, lower-case hexadecimal.
    """
    whole = hashlib.sha256()
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in sorted(name for name in names if name == SAVED_MODEL or name.startswith(("variables/", "assets/"))):
        with (folder / name).open("rb") as file:
            whole.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n".encode())
    return whole.hexdigest()
