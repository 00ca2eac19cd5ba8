"""A pushed version, loaded into whatever there is here to answer with."""

from __future__ import annotations

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import choose_export
from agnews.components.engines.optional_package import is_installed
from agnews.components.model_server.served_version import ServedVersion
from agnews.components.model_store.find_pushed_model import PushedModel


def load_version(
    model: PushedModel, *, threads: int = 1, engine: EngineChoice = EngineChoice.TENSORFLOW, batches: int = 1
) -> ServedVersion:
    """Loads a version.

    Args:
        model: The version.
        threads: Threads that share the work of one large operation, where TensorFlow classifies.
        engine: What classifies.
        batches: How many an engine other than TensorFlow computes at once.

    Returns:
        It, ready to answer. Where TensorFlow is installed it explains answers, whatever classifies.

    Raises:
        AgnewsError: It cannot be loaded, or nothing here can answer for it.
    """
    if is_installed("tensorflow"):
        from agnews.components.model_server.saved_model_version import SavedModelVersion

        return SavedModelVersion(model, threads=threads, engine=engine, batches=batches)
    from agnews.components.model_server.exported_version import ExportedVersion

    export = choose_export(model.folder, model.record.version, engine)
    # Without TensorFlow it is an export, or an error.
    assert export is not None  # noqa: S101
    return ExportedVersion(model, export, batches=batches)
