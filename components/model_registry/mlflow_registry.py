"""Versions and aliases in MLflow's model registry follow the pointer of the model store.

The store stays what decides: a registry that cannot be reached stops no push and no rollback, and the next of them puts
it right.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

from agnews.schemas.hide_credentials import hide_credentials
from agnews.schemas.model_record import ModelRecord

_LOGGER = logging.getLogger(__name__)
TRACKING_URI = "MLFLOW_TRACKING_URI"
"""Set, it switches all of this on: MLflow's own variable."""
CHAMPION, PREVIOUS = "champion", "previous"
_VERSION_TAG = "agnews.version"
# MLflow's own defaults wait for minutes where nobody answers.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def is_tracked(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names an MLflow server."""
    return bool(environment.get(TRACKING_URI, "").strip())


def mlflow_client() -> Any:
    """Makes a client of the server that the environment names.

    Raises:
        ImportError: MLflow is not installed.
    """
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=os.environ[TRACKING_URI], registry_uri=os.environ[TRACKING_URI])


def follow_production(record: ModelRecord, before: ModelRecord | None, *, folder: str, folder_before: str = "") -> str:
    """Makes the registry say what the pointer says: `champion` is in production, `previous` was before.

    Args:
        record: The version in production.
        before: The one before it; None where there was none.
        folder: Of the version in the store.
        folder_before: Of the one before it.

    Returns:
        Why the registry does not follow; empty where it does, or where the environment names none.
    """

    def follow(client: Any) -> None:
        _alias(client, record, CHAMPION, folder)
        if before is not None and before.version != record.version:
            _alias(client, before, PREVIOUS, folder_before)

    return tell_mlflow(follow, otherwise=f"Version {record.version} is in production, and MLflow does not know")


def tell_mlflow(work: Callable[[Any], None], *, otherwise: str) -> str:
    """Does something with MLflow where the environment names a server, and never fails.

    Args:
        work: Called with the client.
        otherwise: What follows if it fails, for the log.

    Returns:
        Why it failed; empty where it did not, or where the environment names no server.
    """
    if not is_tracked():
        return ""
    try:
        work(mlflow_client())
    except ImportError:
        problem = "MLflow's client is not installed: pip install 'agnews[mlflow]'"
    except Exception as error:  # noqa: BLE001 - MLflow raises what its transport raises
        # The address stands in it, and MLflow takes user and password there too.
        problem = hide_credentials(" ".join(str(error).split()))[:300]
    else:
        return ""
    _LOGGER.warning("%s: %s", otherwise, problem)
    return problem


def _alias(client: Any, record: ModelRecord, alias: str, folder: str) -> None:
    client.set_registered_model_alias(record.name, alias, _registered(client, record, folder))


def _registered(client: Any, record: ModelRecord, folder: str) -> str:
    """Returns MLflow's number of a version, which is registered where it is not yet."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(record.name, description="Pushed by agnews; its model store decides.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{record.name}' and tags.`{_VERSION_TAG}` = '{record.version}'")
    if known:
        return str(known[0].version)
    # A server refuses folders of its own disk as a source; this one is ours to resolve.
    made = client.create_model_version(
        record.name,
        source=folder if "://" in folder else f"agnews://{folder.lstrip('/')}",
        tags={
            _VERSION_TAG: record.version,
            "agnews.digest": record.model_digest,
            "agnews.run": record.run_id,
            "agnews.folder": folder,
            "agnews.accuracy": f"{record.accuracy:.6f}",
        },
        description=f"Version {record.version}, accuracy {100 * record.accuracy:.2f} % on the test split.",
        await_creation_for=0,
    )
    return str(made.version)
