"""Which encoders a project uses, by their digests: what is fetched later or elsewhere has to be the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from agnews.components.encoders.encoder_cache import read_source_record
from agnews.components.encoders.find_encoder import SAVED_MODEL, digest_saved_model
from agnews.components.storage.atomic_output import write_atomically
from agnews.schemas.errors import AgnewsError
from agnews.schemas.json_text import read_json

_FORMAT = 1


@dataclass(frozen=True)
class LockedEncoder:
    """One encoder, pinned.

    Attributes:
        sha256: `fetched_digest` of its folder; empty takes any.
        revision: Commit of a checkpoint; empty for SavedModels, and where nobody has named one.
    """

    sha256: str
    revision: str = ""


def fetched_digest(folder: Path) -> str:
    """Digests what decides about the outputs of a fetched encoder.

    Args:
        folder: One of `EncoderCache`.

    Returns:
        sha256 over names and contents of its files, lower-case hexadecimal.
    """
    if (folder / SAVED_MODEL).is_file():
        return digest_saved_model(folder)
    record = read_source_record(folder)
    return _digest(folder, sorted(record.files) if record else ())


def _digest(folder: Path, names: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as file:
            whole.update(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n".encode())
    return whole.hexdigest()


def read_encoder_lock(path: Path) -> dict[str, LockedEncoder]:
    """Reads a lock file.

    Args:
        path: The file; one that is not there locks nothing.

    Returns:
        The encoders by their handles.

    Raises:
        AgnewsError: It is none, or of a newer format.
    """
    try:
        document = read_json(path.read_bytes())
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, known is {_FORMAT}")
        locked = {handle: LockedEncoder(**facts) for handle, facts in document["encoders"].items()}
        for handle, each in locked.items():
            if not all(isinstance(value, str) for value in (handle, each.sha256, each.revision)):
                raise ValueError(f"{handle} with something else than texts")
        return locked
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgnewsError(
            "This is no lock file of encoders.",
            found=f"{error!r} in {path}",
            fix="Name another file, or remove it: `agnews encoder fetch HANDLE --lock FILE` writes it anew.",
        ) from error


def write_encoder_lock(path: Path, locked: dict[str, LockedEncoder]) -> None:
    """Writes a lock file, which belongs into version control.

    Args:
        path: The file.
        locked: The encoders by their handles.
    """
    encoders = {handle: asdict(locked[handle]) for handle in sorted(locked)}
    write_atomically(path, json.dumps({"format": _FORMAT, "encoders": encoders}, indent=2) + "\n")
