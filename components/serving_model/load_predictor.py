"""A version ready to answer, in whichever engine."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import FoundExport, choose_export
from agnews.components.engines.text_engine import open_export
from agnews.components.serving_model.predictor import BATCHES_AT_ONCE, Predictor


def load_predictor(folder: str, class_names: Sequence[str], *, digest: str, export: FoundExport | None) -> Predictor:
    """Loads a version, or what was made of it.

    Args:
        folder: The SavedModel.
        class_names: The classes that the model has to know.
        digest: Of the files of the version; empty for one that nobody has pushed yet.
        export: What answers in its place; None for TensorFlow.

    Returns:
        What answers texts.

    Raises:
        AgnewsError: The version or the export is damaged or cannot be loaded.
    """
    if export is None:
        return Predictor(folder, class_names, digest=digest)
    engine = open_export(export, batches=BATCHES_AT_ONCE, parent_digest=digest)
    return Predictor(folder, class_names, answer=engine.probabilities)


def load_as_served(folder: str, class_names: Sequence[str], version: str = "") -> tuple[Predictor, str]:
    """Loads a model as `--engine auto` would let it answer, with what lies in its own folder.

    Args:
        folder: The SavedModel.
        class_names: The classes that the model has to know.
        version: Its number, for messages.

    Returns:
        What answers texts, and the name of what does: `tensorflow`, or engine and precision of an export.

    Raises:
        AgnewsError: See `load_predictor`.
    """
    export = choose_export(folder, version, EngineChoice.AUTO)
    engine = export.export.name if export is not None else str(EngineChoice.TENSORFLOW)
    return load_predictor(folder, class_names, digest="", export=export), engine
