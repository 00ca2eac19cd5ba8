"""The pushed model that a command works with: the one in production, a version by its number, or a folder."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from agnews.components.model_store.baseline_at import ABSTENTION_FILE, CORPUS_FILE
from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.model_store.model_store import ModelStore
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.abstention import Abstention
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.first_problem import first_problem
from agnews.schemas.model_record import ModelRecord


@dataclass(frozen=True)
class PushedModel:
    """A pushed version.

    Attributes:
        folder: Its SavedModel, local or remote.
        record: What is known about it, the names of its classes among other things.
    """

    folder: str
    record: ModelRecord

    def corpus(self) -> Corpus:
        """Reads the description of the corpus that it learnt from; see `read_model_corpus`."""
        return read_model_corpus(self.folder)

    def abstains_below(self) -> float:
        """Reads below which probability an answer is none; 0 for a model that answers always."""
        path = f"{self.folder.rstrip('/')}/{ABSTENTION_FILE}"
        files = files_at(path)
        with explain_storage_errors(f"reading {path}"):
            if not files.exists(path):
                return 0.0
            content = files.read_bytes(path)
        try:
            return Abstention.model_validate_json(content).threshold or 0.0
        except ValidationError as error:
            raise AgnewsError(
                f"{path} does not say when the model abstains.",
                found=first_problem(error),
                fix="Install a newer agnews, or take another copy of the version's folder if this one is damaged.",
            ) from error


def read_model_corpus(folder: str) -> Corpus:
    """Reads which corpus a model has learnt from.

    Args:
        folder: Of a pushed version, local or remote.

    Returns:
        The description that lies in it. Versions that were pushed before models carried one are of AG News.

    Raises:
        AgnewsError: The description is of a later format, or damaged.
    """
    path = f"{folder.rstrip('/')}/{CORPUS_FILE}"
    files = files_at(path)
    with explain_storage_errors(f"reading {path}"):
        if not files.exists(path):
            return packaged_corpus()
        content = b"".join(files.read(path))
    try:
        return Corpus.model_validate_json(content)
    except ValidationError as error:
        raise AgnewsError(
            f"{path} is no description of a corpus that this version of agnews reads.",
            found=first_problem(error),
            fix="Install a newer agnews, or take another copy of the version's folder if this one is damaged.",
        ) from error


def find_pushed_model(store: ModelStore, version: str = "") -> PushedModel:
    """Finds a version in a store.

    Args:
        store: Where models were pushed to.
        version: Its number; empty takes the one in production.

    Returns:
        The version.

    Raises:
        AgnewsError: Nothing was pushed yet, or there is no such version, or its record is damaged.
    """
    if version:
        return PushedModel(store.folder(version), store.record(version))
    record = store.production()
    if record is None:
        raise AgnewsError(
            "No model was pushed yet.",
            found=f"no pointer in {store.uri}",
            fix="Run the pipeline first (`agnews run`), or name a pushed version's folder with --model.",
        )
    return PushedModel(store.folder(record.version), record)


def pushed_model_at(folder: str) -> PushedModel:
    """Reads a version's folder that may have been copied anywhere.

    Args:
        folder: A SavedModel with the record that a push writes beside it, local or remote.

    Returns:
        The version.

    Raises:
        AgnewsError: The folder is no pushed version.
    """
    folder = folder.removeprefix("file://").rstrip("/")
    files, path = files_at(folder), f"{folder}/{RECORD_FILE}"
    if not files.exists(f"{folder}/saved_model.pb") or not files.exists(path):
        raise AgnewsError(
            "This folder is no pushed version of a model.",
            found=f"{folder} without saved_model.pb or {RECORD_FILE}",
            fix="Name the folder of a version, for example workspace/models/agnews/1763820000.",
        )
    try:
        record = ModelRecord.model_validate_json(files.read_bytes(path))
    except ValidationError as error:
        raise AgnewsError(
            f"{path} is not a model record.",
            found=first_problem(error),
            fix="Take another copy of the version's folder: this one is damaged.",
        ) from error
    return PushedModel(folder, record)
