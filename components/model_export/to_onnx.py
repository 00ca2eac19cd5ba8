"""From TensorFlow to ONNX."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from agnews.components.engines.onnxruntime_engine import MODEL
from agnews.components.engines.optional_package import import_optional
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_export import Precision

PACKAGES = ("onnx", "onnxruntime", "tf2onnx")
_OPSET = 17


def to_onnx(network: Any, precision: Precision, folder: str) -> None:
    """Writes `model.onnx`.

    For int8, weights are quantised by channel, and activations by ONNX Runtime for each batch anew, so that nothing has
    to be calibrated.

    Args:
        network: From `CutModel.network`.
        precision: float32 or int8.
        folder: Where to, on a local disk.

    Raises:
        AgnewsError: A package is not installed, an operation has no counterpart in ONNX, or the precision is none that
            ONNX Runtime computes in on a processor.
    """
    if precision == "bfloat16":
        raise AgnewsError(
            "ONNX Runtime does not compute in bfloat16 on a processor.",
            found="--to onnx --precision bfloat16",
            fix="Take --precision int8 or float32, or --to openvino.",
        )
    tf2onnx = import_optional("tf2onnx", "An export to onnx")
    onnx = import_optional("onnx", "An export to onnx")
    path = str(Path(folder, MODEL))
    frozen = convert_variables_to_constants_v2(network)
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[each.name for each in frozen.inputs],
        output_names=[each.name for each in frozen.outputs],
        opset=_OPSET,
        custom_op_handlers={"Erfc": (_erfc, [])},
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        # An operation that it does not know is a line in its log: it goes on, and what it makes cannot be loaded.
        raise AgnewsError(
            "The model uses an operation that has no counterpart in ONNX.",
            found=str(error).strip().splitlines()[0],
            fix="Export it with --to openvino.",
            exit_code=ExitCode.FAILED,
        ) from error
    if precision == "float32":
        onnx.save_model(model, path)
        return
    quantization = import_optional("onnxruntime.quantization", "An export in int8 to onnx")
    logging.getLogger().addFilter(_no_advice)
    try:
        quantization.quantize_dynamic(model, path, weight_type=quantization.QuantType.QInt8, per_channel=True)
    finally:
        logging.getLogger().removeFilter(_no_advice)


def _no_advice(record: logging.LogRecord) -> bool:
    """Keeps back the advice to run a pre-processing that shrinks nothing here: shapes are open."""
    return "pre-process" not in record.getMessage()


def _erfc(ctx: Any, node: Any, name: str, args: Any) -> None:
    """Spells erfc(x) as 1 - erf(x): tf2onnx knows Erf alone, and TensorFlow writes GELU with Erfc."""
    erf = ctx.make_node("Erf", node.input, dtypes=node.output_dtypes, shapes=node.output_shapes)
    one = ctx.make_const(f"{node.name}_one", np.array(1.0, np.float32))
    dtypes, shapes, outputs = node.output_dtypes, node.output_shapes, node.output
    ctx.remove_node(node.name)
    ctx.make_node("Sub", [one.output[0], erf.output[0]], name=node.name, outputs=outputs, dtypes=dtypes, shapes=shapes)
