"""A version that an export answers for, in a process without TensorFlow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from agnews.components.engines.find_export import FoundExport
from agnews.components.engines.text_engine import open_export
from agnews.components.model_server.served_version import (
    ABSTAINED,
    Outputs,
    ServedSignature,
    ServedVersion,
    unusable,
)
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import CLASS_ID, CLASS_LABEL, PROBABILITIES, SERVE_TEXT, TEXT

_METHOD = "tensorflow/serving/predict"


class ExportedVersion(ServedVersion):
    """Classifies texts, and nothing else: explanations and serialised Examples need the graph of the version.

    Args:
        model: The pushed version; its own files are not read.
        export: What was made of it.
        batches: How many are computed at once.

    Raises:
        AgnewsError: The export is damaged, or does not classify texts as the record of the version says.
    """

    def __init__(self, model: PushedModel, export: FoundExport, *, batches: int) -> None:
        started = time.monotonic()
        self._engine = open_export(export, batches=batches, parent_digest=model.record.model_digest)
        super().__init__(model, self._engine.name)
        self.signatures = {SERVE_TEXT: ServedSignature(TEXT, True, (CLASS_ID, CLASS_LABEL, PROBABILITIES))}
        self.signature_defs = self.describe_signatures()
        self._classify = self.classifying(SERVE_TEXT, self._engine.probabilities)
        try:
            self.check_and_warm_up()
        except AgnewsError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise unusable(model, f"{type(error).__name__}: {error}") from error
        self.load_seconds = time.monotonic() - started

    @override
    def run(self, signature: str, values: Sequence[bytes]) -> Outputs:
        """See `ServedVersion`."""
        rows = np.empty(len(values), object)
        rows[:] = values
        return self.name_outputs(signature, self._classify(rows))

    @override
    def describe_signatures(self) -> dict[str, Any]:
        """See `ServedVersion`."""
        abstained = {ABSTAINED: _tensor(ABSTAINED, "DT_BOOL", -1)} if ABSTAINED in self.returned(SERVE_TEXT) else {}
        return {
            SERVE_TEXT: {
                "inputs": {TEXT: _tensor(TEXT, "DT_STRING", -1)},
                "outputs": {
                    CLASS_ID: _tensor(CLASS_ID, "DT_INT64", -1),
                    CLASS_LABEL: _tensor(CLASS_LABEL, "DT_STRING", -1),
                    PROBABILITIES: _tensor(PROBABILITIES, "DT_FLOAT", -1, len(self.record.classes)),
                    **abstained,
                },
                "method_name": _METHOD,
                "defaults": {},
            }
        }

    @override
    def close(self) -> None:
        """See `ServedVersion`."""
        self._engine.close()


def _tensor(name: str, dtype: str, *sizes: int) -> dict[str, Any]:
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": f"{name}:0"}
