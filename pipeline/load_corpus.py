"""From what `data.corpus` says to the description of a corpus and the folder with its files."""

from __future__ import annotations

import difflib
import posixpath
from dataclasses import dataclass
from pathlib import Path

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import MODEL_CONFIGS

_SCHEMA_FILE = "schema.pbtxt"


@dataclass(frozen=True)
class LoadedCorpus:
    """A description, and where its files are.

    Attributes:
        corpus: The description.
        root: Folder or URI that the description's names are in; empty where it comes along with agnews and knows none.
    """

    corpus: Corpus
    root: str


def is_file(name_or_file: str) -> bool:
    """Whether a value of `data.corpus` names a file, and not a description that comes along."""
    return name_or_file.endswith((".yaml", ".yml")) or "/" in name_or_file


def load_corpus(name_or_file: str) -> LoadedCorpus:
    """Reads a description.

    A `schema.pbtxt` beside it holds in the place of the schema that would follow from it.

    Args:
        name_or_file: Name of a description that comes along, or the path or URI of one.

    Returns:
        The description.

    Raises:
        AgnewsError: There is none, or something is wrong with it; the message names line and key.
    """
    if not is_file(name_or_file):
        return LoadedCorpus(packaged_corpus(name_or_file), "")
    path = name_or_file if "://" in name_or_file else str(Path(name_or_file).expanduser().absolute())
    files, folder = files_at(path), posixpath.dirname(path)
    with explain_storage_errors(f"reading {path}"):
        if not files.exists(path):
            raise AgnewsError(
                "There is no such description of a corpus.",
                found=name_or_file,
                fix="`agnews corpus init FILE --out corpus.yaml` writes one.",
            )
        text = _decode(b"".join(files.read(path)), path)
        beside = f"{folder}/{_SCHEMA_FILE}"
        schema = _decode(b"".join(files.read(beside)), beside) if files.exists(beside) else ""
    corpus = parse_corpus(text, name_or_file)
    _require_known_kinds(corpus, name_or_file)
    root = posixpath.normpath(posixpath.join(folder, corpus.files.root)) if "://" not in folder else folder
    if "://" in folder and corpus.files.root != ".":
        root = f"{folder}/{corpus.files.root}"
    return LoadedCorpus(corpus.model_copy(update={"schema_pbtxt": schema}) if schema else corpus, root)


def _require_known_kinds(corpus: Corpus, origin: str) -> None:
    # Not in the schema: nodes that read the description would then run again for a new setting of a model.
    for kind in corpus.kinds:
        if kind not in MODEL_CONFIGS:
            close = difflib.get_close_matches(kind, MODEL_CONFIGS, n=1)
            raise AgnewsError(
                f"{origin} has settings for a kind of model that there is none of.",
                found=f"kinds.{kind}",
                fix=(f"Did you mean {close[0]}? " if close else "") + f"The kinds are {', '.join(MODEL_CONFIGS)}.",
            )


def _decode(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise AgnewsError(
            f"{path}, line {line}, is no UTF-8.", found=error.reason, fix="Save the file as UTF-8."
        ) from None
