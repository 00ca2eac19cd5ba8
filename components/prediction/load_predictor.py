"""A version ready to answer, in whichever engine."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.engines.find_export import FoundExport
from agnews.components.engines.text_engine import open_export
from agnews.components.model_store.sound_copy import sound_copy
from agnews.components.serving_model.predictor import BATCHES_AT_ONCE, Predictor


def load_predictor(folder: str, class_names: Sequence[str], *, digest: str, export: FoundExport | None) -> Predictor:
    """Loads a version, or what was made of it.

    Args:
        folder: The SavedModel.
        class_names: The classes that the model has to know.
        digest: Of the files of the version.
        export: What answers in its place; None for TensorFlow.

    Returns:
        What answers texts.

    Raises:
        AgnewsError: The version or the export is damaged or cannot be loaded.
    """
    if export is None:
        return Predictor(folder, class_names, digest=digest)
    if export.folder.startswith(f"{folder}/"):
        # What was pushed with the version is vouched for by the version's own digest.
        with sound_copy(folder, digest):
            pass
    engine = open_export(export, batches=BATCHES_AT_ONCE, parent_digest=digest)
    return Predictor(folder, class_names, answer=engine.probabilities)
