"""Where an encoder comes from: found by its name, on this machine only."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from agnews.components.encoders.encoder_cache import EncoderCache, holds_files
from agnews.components.text.vocabulary import EMBEDDED, find_embedded_encoder
from agnews.schemas.errors import AgnewsError

SAVED_MODEL = "saved_model.pb"
"""File by which the folder of a SavedModel is told from that of a checkpoint."""

_HUGGING_FACE_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?(@[\w./-]+)?")


def find_encoder(source: str, cache: EncoderCache) -> Path:
    """Finds the files of an encoder without using the network.

    Args:
        source: `minilm`; a folder; or what was fetched before: the handle of TF Hub or Kaggle (an address), or an id
            of the Hugging Face hub, NAME or OWNER/NAME or OWNER/NAME@REVISION.
        cache: Where fetched encoders are.

    Returns:
        The folder, with a SavedModel or a checkpoint in it.

    Raises:
        AgnewsError: There is no such folder, and nothing of this name was fetched.
    """
    if source == EMBEDDED:
        return embedded_folder()
    if is_handle(source):
        for folder in (cache.fetched(source), *_tensorflow_hub_cache(source)):
            if holds_files(folder):
                return folder
        raise _not_fetched(source)
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if not is_hugging_face_id(source):
        raise AgnewsError(
            "There is no encoder in this place.",
            found=f"no folder {source}",
            fix=f"Use `{EMBEDDED}`, a folder, an address on TF Hub, or an id of the Hugging Face hub.",
        )
    if not holds_files(cache.fetched(source)):
        raise _not_fetched(source)
    return cache.fetched(source)


def is_handle(source: str) -> bool:
    """Whether a source is the address of a SavedModel."""
    return "://" in source


def is_hugging_face_id(source: str) -> bool:
    """Whether a source may be an id of the Hugging Face hub, with or without a revision."""
    return _HUGGING_FACE_ID.fullmatch(source) is not None


def embedded_folder() -> Path:
    """Returns the folder of the embedded encoder.

    Raises:
        AgnewsError: Its package is not installed.
    """
    return find_embedded_encoder(instead="use another encoder: a folder, or what `agnews encoder fetch` brought")


def _tensorflow_hub_cache(handle: str) -> tuple[Path, ...]:
    """Where TensorFlow Hub itself keeps what it has downloaded, if its user has said where."""
    cache = os.environ.get("TFHUB_CACHE_DIR")
    return (Path(cache) / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest(),) if cache else ()


def _not_fetched(source: str) -> AgnewsError:
    return AgnewsError(
        "This encoder is not on this machine, and a run never uses the network.",
        found=source,
        fix=f"Get it once: `agnews encoder fetch {source}`",
    )


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
