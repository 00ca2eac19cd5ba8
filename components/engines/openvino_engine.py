"""OpenVINO's runtime, a batch a core."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.optional_package import import_optional

MODEL = "model.xml"


def computes_in_bfloat16() -> bool:
    """Whether this processor does. Where it does not, OpenVINO imitates it, forty times slower than float32.

    Raises:
        AgnewsError: OpenVINO is not installed.
    """
    core = import_optional("openvino", "The engine openvino").Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """Runs a model of OpenVINO on the processor.

    Args:
        folder: A local folder with `model.xml` and `model.bin`.
        precision: Of the export; float32 takes the place of bfloat16 where the processor has none.
        batches: How many are computed at once.

    Raises:
        AgnewsError: OpenVINO is not installed.
        RuntimeError: The files are no model that it can load.
    """

    def __init__(self, folder: str, precision: str, *, batches: int) -> None:
        openvino = import_optional("openvino", "The engine openvino")
        self._compiled: Any = openvino.Core().compile_model(
            Path(folder, MODEL),
            "CPU",
            {
                "NUM_STREAMS": str(batches),
                "INFERENCE_NUM_THREADS": str(batches),
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" and computes_in_bfloat16() else "f32",
                # Other processes are on these cores too.
                "ENABLE_CPU_PINNING": "NO",
            },
        )
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def probabilities(self, token_ids: NDArray[np.int32], padding_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """See `Engine`."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer({0: token_ids, 1: padding_mask}, share_inputs=True)
            found: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        finally:
            self._idle.put(request)
        return found

    def close(self) -> None:
        """See `Engine`."""
        self._idle = queue.SimpleQueue()
        self._compiled = None
