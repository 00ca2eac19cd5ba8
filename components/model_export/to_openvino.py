"""From TensorFlow to OpenVINO."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agnews.components.engines.openvino_engine import MODEL, computes_in_bfloat16
from agnews.components.engines.optional_package import import_optional
from agnews.components.engines.text_tokens import Tokens
from agnews.components.model_export.fuse_operations import fuse_operations
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_export import Precision

PACKAGES = ("openvino", "nncf")


def to_openvino(network: Any, precision: Precision, calibration: Sequence[Tokens], folder: str) -> None:
    """Writes `model.xml` and `model.bin`.

    For int8, weights and activations of the matrix products are quantised after training: weights by channel, and
    activations over the ranges that the calibration texts have; what is too sensitive stays float32. bfloat16 is chosen
    when the model is loaded, and its files are those of float32.

    Args:
        network: From `CutModel.network`.
        precision: Of the arithmetic.
        calibration: Batches that int8 takes its ranges from.
        folder: Where to, on a local disk.

    Raises:
        AgnewsError: OpenVINO or NNCF is not installed, or the precision is one that this processor does not compute in.
        Exception: Whatever OpenVINO raises about an operation that it does not know.

    References:
        Kozlov et al. (2020), Neural network compression framework for fast model inference,
        https://arxiv.org/abs/2002.08679.
    """
    openvino = import_optional("openvino", "An export to openvino")
    if precision == "bfloat16" and not computes_in_bfloat16():
        raise AgnewsError(
            "This processor does not compute in bfloat16, so nothing here tells what it would change.",
            found="--precision bfloat16",
            fix="Take --precision int8, or export on a processor with AVX-512 BF16 or AMX.",
        )
    model = openvino.convert_model(network)
    fuse_operations(model)
    if precision == "int8":
        nncf = import_optional("nncf", "An export in int8 to openvino")
        logging.getLogger("nncf").setLevel(logging.ERROR)
        model = nncf.quantize(
            model,
            nncf.Dataset(list(calibration), lambda tokens: {0: tokens.token_ids, 1: tokens.padding_mask}),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
        )
    # Without saying so it would halve the weights of a model that is to be float32.
    openvino.save_model(model, Path(folder, MODEL), compress_to_fp16=False)
