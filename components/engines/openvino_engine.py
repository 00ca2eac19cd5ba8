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


_LENGTHS = 8
_ROWS = (1, 2, 4, 8, 16, 24, 32)


class OpenVinoEngine:
    """Runs a model of OpenVINO on the processor.

    OpenVINO prepares and keeps kernels for each shape that it sees: gigabytes, and the time to make them, where every
    batch has one of its own. So batches are padded to a few dozen shapes, with rows that are thrown away and tokens
    that are masked.

    Args:
        folder: A local folder with `model.xml` and `model.bin`.
        precision: Of the export; float32 takes the place of bfloat16 where the processor has none.
        batches: How many are computed at once.
        longest: Tokens of a text at most; 0 where that is not known, and lengths stay as they are.

    Raises:
        AgnewsError: OpenVINO is not installed.
        RuntimeError: The files are no model that it can load.
    """

    def __init__(self, folder: str, precision: str, *, batches: int, longest: int = 0) -> None:
        self._longest = longest
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
        rows = len(token_ids)
        token_ids, padding_mask = self._padded(token_ids, padding_mask)
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer({0: token_ids, 1: padding_mask}, share_inputs=True)
            found: NDArray[np.float32] = request.get_output_tensor(0).data[:rows].copy()
        finally:
            self._idle.put(request)
        return found

    def _padded(
        self, token_ids: NDArray[np.int32], padding_mask: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        rows, length = token_ids.shape
        more = next((each for each in _ROWS if each >= rows), -(-rows // _ROWS[-1]) * _ROWS[-1]) - rows
        longer = max(0, min(-(-length // _LENGTHS) * _LENGTHS, self._longest) - length)
        wider = ((0, more), (0, longer))
        mask = np.pad(padding_mask, wider)
        # A row without any token would be divided by their number.
        mask[rows:, 0] = True
        return np.pad(token_ids, wider), mask

    def close(self) -> None:
        """See `Engine`."""
        self._idle = queue.SimpleQueue()
        self._compiled = None
