"""Copies the model in production, or the one that the run was told to compare with, into an artifact."""

from __future__ import annotations

import logging
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance

from agnews.components.model_store import ModelStore
from agnews.components.model_store.anchors import bring_anchor
from agnews.components.model_store.baseline_at import SERVING_FOLDER

_LOGGER = logging.getLogger(__name__)


class Executor(BaseExecutor):
    """Runs the node BaselineModel.

    Outputs:
        model: Model. `Format-Serving/` is the version's folder with `assets.extra/record.json`; nothing where there is
            no baseline. `Anchor/` holds what is kept of the best model ever pushed, see `bring_anchor`. Custom
            properties `has_baseline` (1 or 0) and `version`.

    Exec properties:
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        production: Version to compare with; empty for none; `?` for the one that the pointer names now.
        anchor: What to bring of that one: `answers`, `model`, or nothing.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class.

        Raises:
            AgnewsError: The pointer is malformed, or the version is missing or corrupt.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = get_single_instance(output_dict["model"])
        store = ModelStore(exec_properties["push_uri"], exec_properties["model_name"])
        version = exec_properties["production"]
        if version == "?":
            current = store.production()
            version = current.version if current else ""
        if version:
            store.fetch(version, f"{model.uri}/{SERVING_FOLDER}")
            bring_anchor(store, version, exec_properties["anchor"], model.uri)
        _LOGGER.info("Baseline: %s", f"version {version} of {store.uri}" if version else "none yet")
        model.set_int_custom_property("has_baseline", int(bool(version)))
        model.set_string_custom_property("version", version)
