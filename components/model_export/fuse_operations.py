"""Operations that TensorFlow writes as many, and OpenVINO computes in one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from agnews.components.engines.optional_package import import_optional

_LAST = -1


def fuse_operations(model: Any) -> int:
    """Puts one operation for each layer normalisation and each GELU.

    OpenVINO looks for both itself, in the spelling of other frameworks: it does not know an inverse root, nor GELU with
    the complement of the error function. Left as they are, they are a third of the time of a quantised encoder, and
    their numbers are written to memory in float32 where a fused one hands on bytes.

    Args:
        model: An `openvino.Model`; it is changed.

    Returns:
        How many were put.
    """
    operations = import_optional("openvino.opset13", "An export to openvino")
    found = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Multiply":
            continue
        fused = _as_layer_norm(node, operations) or _as_gelu(node, operations)
        if fused is None:
            continue
        fused.set_friendly_name(f"{node.get_friendly_name()}/{fused.get_type_name()}")
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(fused.output(0))
        found += 1
    model.validate_nodes_and_infer_types()
    return found


def _as_layer_norm(node: Any, operations: Any) -> Any:
    """(x - mean(x)) * (mean((x - mean(x))^2) + epsilon)^-0.5, over the last axis, without gain and offset."""
    for centred, inverse in _pairs(node):
        if centred.get_type_name() != "Subtract" or inverse.get_type_name() != "Power":
            continue
        shifted, exponent = _sources(inverse)
        if _constant(exponent) != -0.5 or shifted.get_type_name() != "Add":
            continue
        variance, epsilon = _sources(shifted)
        x, mean = _sources(centred)
        if (
            _constant(epsilon) is not None
            and _is_mean_of(mean, x)
            and variance.get_type_name() == "ReduceMean"
            and _is_square_of(_sources(variance)[0], centred)
            and _constant(_sources(variance)[1]) == _LAST
        ):
            axes = operations.constant(np.array([_LAST], np.int64))
            return operations.mvn(centred.input_value(0), axes, True, _constant(epsilon), "inside_sqrt")
    return None


def _as_gelu(node: Any, operations: Any) -> Any:
    """(x / 2) * (1 - erf(-x / sqrt(2)))."""
    for half, complement in _pairs(node):
        if half.get_type_name() != "Multiply" or complement.get_type_name() != "Subtract":
            continue
        one, erf = _sources(complement)
        if _constant(one) != 1.0 or erf.get_type_name() != "Erf":
            continue
        (scaled,) = _sources(erf)
        for number, x in ((a, b) for each in (half,) for a, b in _pairs(each)):
            if _constant(number) == 0.5 and _is_scaled(scaled, x, -math.sqrt(0.5)):
                return operations.gelu(x.output(0), "ERF")
    return None


def _is_mean_of(node: Any, x: Any) -> bool:
    if node.get_type_name() != "ReduceMean":
        return False
    of, axis = _sources(node)
    return _same(of, x) and _constant(axis) == _LAST


def _is_square_of(node: Any, x: Any) -> bool:
    return node.get_type_name() == "Multiply" and all(_same(each, x) for each in _sources(node))


def _is_scaled(node: Any, x: Any, factor: float) -> bool:
    return node.get_type_name() == "Multiply" and any(
        _same(each, x) and math.isclose(_constant(number) or 0.0, factor, rel_tol=1e-6) for number, each in _pairs(node)
    )


def _pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    """Both orders of the two inputs."""
    first, second = _sources(node)
    yield first, second
    yield second, first


def _sources(node: Any) -> list[Any]:
    return [each.get_source_output().get_node() for each in node.inputs()]


def _same(one: Any, other: Any) -> bool:
    return bool(one.get_friendly_name() == other.get_friendly_name())


def _constant(node: Any) -> float | None:
    """The number that a constant holds, if it is one number."""
    if node.get_type_name() != "Constant" or node.get_data().size != 1:
        return None
    return float(node.get_data().ravel()[0])
