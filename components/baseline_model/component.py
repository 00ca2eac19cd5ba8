"""The node BaselineModel."""

from __future__ import annotations

from typing import ClassVar

from tfx.types.standard_artifacts import Model

from agnews.components.baseline_model.executor import Executor
from agnews.components.declared_component import DeclaredComponent


class BaselineModel(DeclaredComponent):
    """Brings the model in production into the run.

    TFX has a Resolver for this, which asks the metadata store for the latest blessed model. The pointer of the last
    push is asked instead: it is what is really served, and a cluster without such a store can read it too.

    Args:
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        production: Version to compare with; empty for none; `?` for the one that the pointer names when the step runs,
            in which case the step must not be answered from a cache.
        anchor: What to bring of the best model ever pushed, from `needed_of_anchor`.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"model": Model}

    push_uri: str
    model_name: str
    production: str
    anchor: str
    code_version: str
