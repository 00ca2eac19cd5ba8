"""ONNX Runtime, a batch a core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.optional_package import import_optional

MODEL = "model.onnx"
_ERRORS_ONLY = 3


class OnnxRuntimeEngine:
    """Runs a model of ONNX on the processor.

    Args:
        folder: A local folder with `model.onnx`.

    Raises:
        AgnewsError: ONNX Runtime is not installed.
        RuntimeError: The file is no model that it can load.
    """

    def __init__(self, folder: str) -> None:
        runtime = import_optional("onnxruntime", "The engine onnxruntime")
        options = runtime.SessionOptions()
        # The thread that calls does all the work.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # It would keep the largest batch's memory for ever.
        options.enable_cpu_mem_arena = False
        self._session: Any = runtime.InferenceSession(
            str(Path(folder, MODEL)), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [each.name for each in self._session.get_inputs()]

    def probabilities(self, token_ids: NDArray[np.int32], padding_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `Engine`."""
        found: NDArray[np.float32] = self._session.run(
            None, dict(zip(self._inputs, (token_ids, padding_mask), strict=True))
        )[0]
        return found

    def close(self) -> None:
        """See `Engine`."""
        self._session = None
