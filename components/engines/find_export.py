"""What was made of a version for other engines, and which of it is to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.library_tokens import TOKENIZER_FILE
from agnews.components.engines.optional_package import extra_for, is_installed
from agnews.components.model_store.model_store import ENGINES
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError
from agnews.schemas.first_problem import first_problem
from agnews.schemas.model_export import ModelExport

PUSHED = f"assets.extra/{ENGINES}"
"""In the folder of a version: exports that were pushed with it, and are a part of its digest."""


TOKENIZER = "tokenizer"
"""In the folder of an export: a SavedModel with the signature `tokenize` alone."""


@dataclass(frozen=True)
class FoundExport:
    """An export and where it lies.

    Attributes:
        folder: Its folder or URI.
        export: What is known about it.
        needs_tensorflow: Whether nothing but the graph makes its tokens, as in exports of older releases.
    """

    folder: str
    export: ModelExport
    needs_tensorflow: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether it passed, and what it needs is installed here."""
        return (
            self.export.passed
            and is_installed(self.export.engine)
            and (is_installed("tensorflow") if self.needs_tensorflow else has_tokenizer())
        )


def has_tokenizer() -> bool:
    """Whether something is installed that cuts texts into word pieces."""
    return is_installed("tokenizers") or is_installed("tensorflow")


def exports_beside(version_folder: str) -> str:
    """Returns where `agnews export` puts what it makes of a version: beside it, so that its digest stays.

    Args:
        version_folder: Folder or URI of the version.
    """
    parent, _, version = version_folder.rstrip("/").rpartition("/")
    return f"{parent}/{ENGINES}/{version}"


def find_exports(version_folder: str) -> list[FoundExport]:
    """Lists what was made of a version.

    Args:
        version_folder: Folder or URI of the version.

    Returns:
        Those that were exported later come before those that were pushed with it, of the same name.

    Raises:
        AgnewsError: A description is damaged or of a later format.
    """
    return [*_in(exports_beside(version_folder)), *_in(f"{version_folder.rstrip('/')}/{PUSHED}")]


def _in(folder: str) -> Iterator[FoundExport]:
    files = files_at(folder)
    paths = set(files.files_below(folder))
    names = {path.partition("/")[0] for path in paths if path.endswith(f"/{ModelExport.FILE}")}
    for name in sorted(names):
        path = f"{folder}/{name}"
        try:
            export = ModelExport.read(path, files.read)
            yield FoundExport(path, export, needs_tensorflow=f"{name}/{TOKENIZER_FILE}" not in paths)
        except ValidationError as error:
            raise AgnewsError(
                f"{path}/{ModelExport.FILE} is no description of an export that this version of agnews reads.",
                found=first_problem(error),
                fix="Export the version again with `agnews export`, or delete the folder.",
            ) from error


def choose_export(version_folder: str, version: str, choice: EngineChoice) -> FoundExport | None:
    """Decides what answers for a version.

    Args:
        version_folder: Folder or URI of the version.
        version: Its number, for messages.
        choice: What was asked for.

    Returns:
        The export; None for TensorFlow. `auto` takes the one that took the least processor time when it was exported,
        if that was less than TensorFlow's, or if there is no TensorFlow here.

    Raises:
        AgnewsError: An engine was asked for by name that is not installed, or for which nothing was made that passed;
            or TensorFlow is not installed, and no other engine can answer.
    """
    has_tensorflow = is_installed("tensorflow")
    if choice is EngineChoice.TENSORFLOW:
        if not has_tensorflow:
            raise _not_installed(choice, "serve")
        return None
    if choice is not EngineChoice.AUTO and not is_installed(choice):
        raise _not_installed(choice, extra_for(choice))
    found = find_exports(version_folder)
    usable = [
        each
        for each in found
        if each.is_usable
        and (
            each.export.engine == str(choice)
            or (
                choice is EngineChoice.AUTO
                and (not has_tensorflow or each.export.speed.engine < each.export.speed.tensorflow)
            )
        )
    ]
    if not usable and (choice is not EngineChoice.AUTO or not has_tensorflow):
        raise _nothing_usable(version_folder, version, choice, found)
    return min(usable, key=_share_of_tensorflow, default=None)


def _not_installed(choice: EngineChoice, extra: str) -> AgnewsError:
    return AgnewsError(
        f"The engine {choice} is not installed.",
        found=f"--engine {choice}",
        fix=f"Install the extra: pip install 'agnews[{extra}]', or in a checkout .uv/bin/uv sync --extra {extra}; or "
        "let another engine answer with --engine.",
    )


def _nothing_usable(
    version_folder: str, version: str, choice: EngineChoice, found: Sequence[FoundExport]
) -> AgnewsError:
    is_auto = choice is EngineChoice.AUTO
    here = [each for each in found if is_auto or each.export.engine == str(choice)]
    to = _FORMATS.get(choice, "openvino" if is_installed("openvino") else "onnx")
    where = "" if is_installed("tensorflow") else " where TensorFlow is installed"
    return AgnewsError(
        f"Version {version} has nothing that "
        + (
            "an engine other than TensorFlow may serve, and TensorFlow is not installed here."
            if is_auto
            else f"the engine {choice} may serve."
        ),
        found="; ".join(f"{each.export.name}: {_why_not(each)}" for each in here)
        or f"no export in {exports_beside(version_folder)}",
        fix=f"Make it{where}: `agnews export {version} --to {to} --test FILE`"
        + ("; tensorflow needs none." if not where else "; or install agnews[serve], which brings TensorFlow."),
    )


def _why_not(found: FoundExport) -> str:
    if not found.export.passed:
        return found.export.reason
    if not is_installed(found.export.engine):
        return "its engine is not installed"
    return "it has no tokenizer.json, so its tokens need TensorFlow"


_FORMATS = {EngineChoice.OPENVINO: "openvino", EngineChoice.ONNXRUNTIME: "onnx"}


def _share_of_tensorflow(found: FoundExport) -> float:
    speed = found.export.speed
    return speed.engine / speed.tensorflow
