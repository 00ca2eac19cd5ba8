"""What a core of this processor can do at most, by precision: products of large matrices in OpenVINO."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np

from agnews.components.engines.optional_package import import_optional

PRECISIONS = ("float32", "bfloat16", "int8")
FLAGS = {
    "float32": ("avx2", "fma", "avx512f"),
    "bfloat16": ("avx512_bf16", "amx_bf16"),
    "int8": ("avx_vnni", "avx512_vnni", "amx_int8"),
}
"""Instructions that a precision has of its own, by their names in /proc/cpuinfo."""
_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
_SIZE, _ROWS, _SECONDS = 1024, 1536, 3


def processor_name() -> str:
    """Returns the name that the processor gives itself."""
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else "an unknown processor"


def processor_flags(precision: str) -> list[str]:
    """Returns the instructions that this processor has for a precision; for bfloat16 and int8 none may be there."""
    found = re.search(r"^flags\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return [flag for flag in FLAGS[precision] if found and flag in found[1].split()]


def peak(precision: str) -> float:
    """Measures GFLOP/s of one core, a multiplication and an addition as two; the best of three seconds."""
    openvino, ops = import_optional("openvino", "This"), import_optional("openvino.opset13", "This")
    random = np.random.default_rng(0)
    x = ops.parameter([_ROWS, _SIZE], np.float32)
    weights = ops.constant(random.normal(size=(_SIZE, _SIZE)).astype("f"))
    inputs = x
    if precision == "int8":
        low, high = np.float32(-4), np.float32(4)
        inputs = ops.fake_quantize(x, low, high * np.float32(127 / 128), low, high * np.float32(127 / 128), 256)
        weights = ops.fake_quantize(weights, low, high, low, high, 255)
    compiled = openvino.Core().compile_model(
        openvino.Model([ops.matmul(inputs, weights, False, True)], [x]),
        "CPU",
        {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": _HINTS[precision]},
    )
    request, values = compiled.create_infer_request(), random.normal(size=(_ROWS, _SIZE)).astype("f")
    request.infer({0: values})
    best = 0.0
    for _ in range(_SECONDS):
        began, done = time.process_time(), 0
        while time.process_time() - began < 1.0:
            request.infer({0: values}, share_inputs=True)
            done += 1
        best = max(best, 2e-9 * _ROWS * _SIZE * _SIZE * done / (time.process_time() - began))
    return best
