"""A version of the store into production, with the registry told."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_registry.mlflow_registry import follow_production
from agnews.components.model_store.model_store import ModelStore
from agnews.components.model_store.rollback import rollback
from agnews.schemas.model_record import ModelRecord


@dataclass(frozen=True)
class Moved:
    """A change of the version in production.

    Attributes:
        before: The version that was in production.
        after: The version that is; the same one where it was there already.
        untold: Why MLflow's aliases do not follow; empty where they do, or where there is no MLflow.
    """

    before: ModelRecord
    after: ModelRecord
    untold: str = ""


def put_into_production(models: ModelStore, version: str = "", *, why: str = "") -> Moved:
    """Moves the pointer, and then the aliases of the model registry.

    Args:
        models: The store.
        version: Number of the version; empty takes the one before the version in production.
        why: For the trail.

    Returns:
        What changed.

    Raises:
        AgnewsError: As `rollback`; production is then as it was, unless the message says that nobody knows.
    """
    done = rollback(models, version, why=why)
    if done.before.version == done.after.version:
        return Moved(done.before, done.after)
    folders = {"folder": models.folder(done.after.version), "folder_before": models.folder(done.before.version)}
    return Moved(done.before, done.after, follow_production(done.after, done.before, **folders))
