"""What was made of a version for other engines, and which of it is to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.optional_package import EXTRAS, is_installed
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
    """

    folder: str
    export: ModelExport


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
    names = {path.partition("/")[0] for path in files.files_below(folder) if path.endswith(f"/{ModelExport.FILE}")}
    for name in sorted(names):
        path = f"{folder}/{name}"
        try:
            yield FoundExport(path, ModelExport.read(path, files.read))
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
        if that was less than TensorFlow's.

    Raises:
        AgnewsError: An engine was asked for by name that is not installed, or for which nothing was made that passed.
    """
    if choice is EngineChoice.TENSORFLOW:
        return None
    found = find_exports(version_folder)
    if choice is EngineChoice.AUTO:
        usable = [
            each
            for each in found
            if each.export.passed
            and is_installed(each.export.engine)
            and each.export.speed.engine < each.export.speed.tensorflow
        ]
        return min(usable, key=_share_of_tensorflow, default=None)
    if not is_installed(choice):
        raise AgnewsError(
            f"The engine {choice} is not installed.",
            found=f"--engine {choice}",
            fix=f"Install the extra: pip install 'agnews[{EXTRAS[choice]}]', or in a checkout .uv/bin/uv sync --extra "
            f"{EXTRAS[choice]}; --engine tensorflow needs nothing.",
        )
    of_engine = [each for each in found if each.export.engine == str(choice)]
    passed = [each for each in of_engine if each.export.passed]
    if not passed:
        raise AgnewsError(
            f"Version {version} has nothing that the engine {choice} may serve.",
            found="; ".join(f"{each.export.name}: {each.export.reason}" for each in of_engine)
            or f"no export in {exports_beside(version_folder)}",
            fix=f"Make it: `agnews export {version} --to {_FORMATS[choice]} --test FILE`; tensorflow needs none.",
        )
    return min(passed, key=_share_of_tensorflow)


_FORMATS = {EngineChoice.OPENVINO: "openvino", EngineChoice.ONNXRUNTIME: "onnx"}


def _share_of_tensorflow(found: FoundExport) -> float:
    speed = found.export.speed
    return speed.engine / speed.tensorflow
