"""Whether what converts a model is installed, asked before a model is trained."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.components.engines.openvino_engine import computes_in_bfloat16
from agnews.components.engines.optional_package import EXTRAS, is_installed
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_export import ExportEngine, Precision

FORMATS: dict[str, ExportEngine] = {"openvino": "openvino", "onnx": "onnxruntime"}
"""The engine that runs a format."""
_PACKAGES = {"openvino": ("openvino", "nncf"), "onnx": ("onnx", "onnxruntime", "tf2onnx")}


_LOOKS_UP = "it looks n-grams up, which other engines have no operations for"
_NOT_CONVERTIBLE = {"linear": _LOOKS_UP, "ensemble": _LOOKS_UP}


def require_converters(formats: Sequence[str], precision: Precision, *, kind: str) -> None:
    """Refuses formats that could not be made here.

    Args:
        formats: Keys of `FORMATS`.
        precision: Of the arithmetic.
        kind: Of the model.

    Raises:
        AgnewsError: No engine computes models of this kind, a package is missing, or this processor does not compute in
            the precision.
    """
    if formats and kind in _NOT_CONVERTIBLE:
        raise AgnewsError(
            f"A model of the kind {kind} cannot be exported: {_NOT_CONVERTIBLE[kind]}.",
            found=f"export.formats {', '.join(formats)}",
            fix="Leave export.formats empty, or train another kind of model.",
        )
    missing = [package for name in formats for package in _PACKAGES[name] if not is_installed(package)]
    if missing:
        extras = ",".join(dict.fromkeys(EXTRAS[package] for package in missing))
        raise AgnewsError(
            "What exports the model is not installed.",
            found=f"export.formats {', '.join(formats)} without {', '.join(missing)}",
            fix=f"Install the extra: pip install 'agnews[{extras}]'; in an image, make image EXTRAS={extras}. Or leave "
            "export.formats empty.",
        )
    if precision == "bfloat16" and "openvino" in formats and not computes_in_bfloat16():
        raise AgnewsError(
            "This processor does not compute in bfloat16, so nothing here could tell what it changes.",
            found="export.precision bfloat16",
            fix="Take export.precision int8 or float32, or run on a processor with AVX-512 BF16 or AMX.",
        )
