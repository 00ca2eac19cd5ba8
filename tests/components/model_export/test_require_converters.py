from __future__ import annotations

import pytest

from agnews.components.model_export import require_converters as module
from agnews.components.model_export.require_converters import require_converters
from agnews.schemas.errors import AgnewsError


def test_nothing_is_asked_of_who_exports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: False)
    require_converters((), "bfloat16", kind="linear")


@pytest.mark.parametrize("kind", ["linear", "ensemble"])
def test_a_kind_that_no_engine_computes_is_named(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: True)
    with pytest.raises(AgnewsError, match=f"kind {kind} cannot be exported"):
        require_converters(("openvino",), "int8", kind=kind)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: name == "openvino")
    with pytest.raises(AgnewsError, match="not installed") as error:
        require_converters(("openvino", "onnx"), "int8", kind="transformer")
    assert "without nncf, onnx, onnxruntime, tf2onnx" in str(error.value.found)
    assert "agnews[openvino,onnx]" in error.value.fix


def test_a_precision_that_the_processor_lacks_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_installed", lambda name: True)
    monkeypatch.setattr(module, "computes_in_bfloat16", lambda: False)
    with pytest.raises(AgnewsError, match="does not compute in bfloat16"):
        require_converters(("openvino",), "bfloat16", kind="bert_finetune")
    monkeypatch.setattr(module, "computes_in_bfloat16", lambda: True)
    require_converters(("openvino",), "bfloat16", kind="bert_finetune")
