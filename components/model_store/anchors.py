"""The best model ever pushed on the test rows, kept beside the version whose push it was found at.

`URI/NAME/anchors/VERSION/` is written before the pointer moves to VERSION and never changed, so the anchor in force
is that of the version in production: a push that was cut has none, and a rollback brings the anchor of that time
back.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from agnews.components.model_store.baseline_at import SERVING_FOLDER
from agnews.components.model_store.brought_anchor import BROUGHT
from agnews.components.model_store.model_store import ModelStore
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.anchor import ANSWERS, Anchor
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem

FOLDER = "anchors"
Brought = Literal["", "answers", "model"]
"""What a run needs of an anchor: nothing, its answers, or its model, to be scored on new test rows."""


def kept_anchor(store: ModelStore, version: str) -> Anchor | None:
    """Reads the anchor that was found when a version was pushed.

    Args:
        store: The store.
        version: Its number.

    Returns:
        The anchor; None where none was kept, by 0.1.0 for example.

    Raises:
        AgnewsError: It cannot be read, or is none.
    """
    path = f"{_folder(store, version)}/{Anchor.FILE}"
    with explain_storage_errors(f"reading {path}"):
        if not store.files.exists(path):
            return None
        content = store.files.read_bytes(path)
    try:
        return Anchor.model_validate_json(content)
    except ValidationError as error:
        raise AgnewsError(
            f"{path} does not say which model is the best that was pushed.",
            found=first_problem(error),
            fix="Delete its folder: runs are then compared with the model in production alone, until the next push.",
            exit_code=ExitCode.FAILED,
        ) from error


def needed_of_anchor(store: ModelStore, version: str, test_digest: str) -> Brought:
    """Decides what a run needs of the anchor of a version.

    Args:
        store: The store.
        version: What the candidate is judged against; may be empty.
        test_digest: sha256 of the test file of the run.

    Returns:
        Its answers on the same test file. On another one its model, unless that is the version itself, which is asked
        anyway, or was removed.
    """
    kept = kept_anchor(store, version) if version else None
    if kept is None:
        return ""
    if kept.test_digest == test_digest:
        return "answers"
    return "model" if kept.version not in ("", version) and kept.version in store.versions() else ""


def bring_anchor(store: ModelStore, version: str, what: Brought, target: str) -> None:
    """Copies the anchor of a version into an artifact.

    Args:
        store: The store.
        version: What the candidate is judged against.
        what: From `needed_of_anchor`.
        target: URI of the artifact.

    Raises:
        AgnewsError: It cannot be read, or its model is corrupt.
    """
    kept = kept_anchor(store, version) if what else None
    if kept is None:
        return
    out, source = files_at(target), _folder(store, version)
    with explain_storage_errors(f"copying {source} to {target}"):
        for name in (ANSWERS, Anchor.FILE):
            out.write(f"{target}/{BROUGHT}/{name}", store.files.read(f"{source}/{name}"))
    if what == "model":
        store.fetch(kept.version, f"{target}/{BROUGHT}/{SERVING_FOLDER}")


def keep_anchor(store: ModelStore, version: str, proposal: str, test_digest: str) -> None:
    """Keeps the anchor that the Evaluator found, before the version is put into production.

    Args:
        store: The store.
        version: What is being pushed.
        proposal: Folder that the Evaluator wrote it to.
        test_digest: sha256 of the test file.
    """
    files, folder = files_at(proposal), _folder(store, version)
    if not files.exists(f"{proposal}/{Anchor.FILE}"):
        return
    found = Anchor.model_validate_json(files.read_bytes(f"{proposal}/{Anchor.FILE}"))
    anchor = found.model_copy(update={"version": found.version or version, "test_digest": test_digest})
    store.files.write(f"{folder}/{ANSWERS}", files.read(f"{proposal}/{ANSWERS}"))
    store.files.write(f"{folder}/{Anchor.FILE}", [anchor.json_bytes()])


def remove_anchor(store: ModelStore, version: str) -> None:
    """Removes what was kept with a version that is removed."""
    store.files.remove(_folder(store, version))


def _folder(store: ModelStore, version: str) -> str:
    return f"{store.uri}/{FOLDER}/{version}"
