from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.engines.find_export import TOKENIZER, FoundExport
from agnews.components.engines.graph_tokens import GraphTokens
from agnews.components.engines.text_engine import open_export
from agnews.components.model_export import compare_with_parent, export_version
from agnews.components.model_export.cut_model import CutModel
from agnews.components.model_export.export_version import ExportRequest
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.components.model_export.to_onnx import to_onnx
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.model_export import ModelExport

pytestmark = pytest.mark.integration
PACKAGE = {"openvino": "openvino", "onnxruntime": "tf2onnx"}


def needs(engine: str) -> None:
    extra = "onnx" if engine == "onnxruntime" else engine
    pytest.importorskip(PACKAGE[engine], reason=f"the extra {extra} is not installed")


@pytest.fixture(scope="module")
def rows(toy_classifier: Path, toy_texts: list[bytes]) -> LabelledTexts:
    """The toy texts, and what the version itself says about them."""
    labels = CutModel(str(toy_classifier)).probabilities(toy_texts).argmax(axis=1)
    return LabelledTexts(toy_texts, labels.tolist(), "toy rows")


def make(engine: str, precision: str, model: Path, target: Path, rows: LabelledTexts) -> FoundExport:
    request = ExportRequest(engine, precision, version="7", parent_digest="abc")
    return export_version.export_version(
        str(model), str(target), request, calibration=rows.those(range(30)), test=rows.those(range(30, 240))
    )


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_export_in_float32_answers_as_tensorflow_does(
    engine: str, toy_classifier: Path, rows: LabelledTexts, tmp_path: Path
) -> None:
    needs(engine)

    found = make(engine, "float32", toy_classifier, tmp_path / "engines", rows)

    assert found.folder == f"{tmp_path}/engines/{engine}-float32"
    assert found.export.passed
    assert found.export.test.changed_answers == 0
    assert found.export.calibration_rows == 0
    opened = open_export(found, batches=1, parent_digest="abc")
    wanted = CutModel(str(toy_classifier)).probabilities(rows.texts)
    np.testing.assert_allclose(opened.probabilities(rows.texts), wanted, atol=1e-5)
    assert opened.probabilities([]).shape == (0, 4)
    opened.close()
    with pytest.raises(AgnewsError, match="other weights"):
        open_export(found, batches=1, parent_digest="another")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_export_in_int8_is_close_and_tells_what_changed(
    engine: str, toy_classifier: Path, rows: LabelledTexts, tmp_path: Path
) -> None:
    needs(engine)

    found = make(engine, "int8", toy_classifier, tmp_path, rows)

    document = json.loads((Path(found.folder) / ModelExport.FILE).read_text())
    assert document == json.loads(found.export.model_dump_json())
    assert found.export.calibration_rows == (30 if engine == "openvino" else 0)
    opened = open_export(found, batches=2)
    answers = opened.probabilities(rows.texts[30:]).argmax(axis=1)
    assert found.export.test.changed_answers == int((answers != np.array(rows.labels[30:])).sum())
    assert 1e-6 < found.export.test.largest_difference < 0.5


def test_files_that_were_changed_are_refused(toy_classifier: Path, rows: LabelledTexts, tmp_path: Path) -> None:
    needs("onnxruntime")
    found = make("onnxruntime", "float32", toy_classifier, tmp_path, rows)
    model = Path(found.folder) / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")

    with pytest.raises(AgnewsError, match="cannot be used"):
        open_export(found, batches=1)


def test_the_tokeniser_beside_an_export_is_the_graph_of_the_version(
    toy_classifier: Path, toy_texts: list[bytes], tmp_path: Path
) -> None:
    cut = CutModel(str(toy_classifier))
    cut.save_tokenizer(str(tmp_path / TOKENIZER))
    tokens = GraphTokens(str(tmp_path / TOKENIZER))
    whole = tf.saved_model.load(str(toy_classifier)).signatures["tokenize"](text=tf.constant(toy_texts))

    found = tokens(toy_texts)

    np.testing.assert_array_equal(found.token_ids, whole[TOKEN_IDS])
    np.testing.assert_array_equal(found.padding_mask, whole[PADDING_MASK])
    assert found.token_ids.dtype == np.int32
    size = sum(path.stat().st_size for path in (tmp_path / TOKENIZER).rglob("*") if path.is_file())
    assert size < 3_000_000, "the weights of the network do not belong to it"


def test_a_model_whose_conversion_answers_otherwise_is_refused_by_its_kind(
    toy_classifier: Path, rows: LabelledTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnxruntime")
    monkeypatch.setattr(compare_with_parent, "_ROUNDING", 0.0)

    with pytest.raises(AgnewsError, match="kind transformer cannot be converted for the engine onnxruntime"):
        make("onnxruntime", "float32", toy_classifier, tmp_path / "engines", rows)

    assert not (tmp_path / "engines").exists()


def test_too_few_rows_decide_nothing(toy_classifier: Path, rows: LabelledTexts, tmp_path: Path) -> None:
    request = ExportRequest("openvino", "float32", version="7", parent_digest="")

    with pytest.raises(AgnewsError, match="too few rows"):
        export_version.export_version(
            str(toy_classifier), str(tmp_path), request, calibration=rows.those([]), test=rows.those(range(50))
        )


def test_onnx_spells_the_complement_of_the_error_function(tmp_path: Path) -> None:
    needs("onnxruntime")
    from onnxruntime import InferenceSession

    specs = [tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None, None], tf.float32)]
    graph = tf.function(lambda x, y: tf.nn.gelu(x) + y, input_signature=specs).get_concrete_function()
    x = np.linspace(-4, 4, 50, dtype=np.float32)[None]

    to_onnx(graph, "float32", str(tmp_path))

    session = InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, dict(zip(names, (x, 0 * x), strict=True)))[0]
    np.testing.assert_allclose(found, tf.nn.gelu(x), atol=1e-6)


def test_an_operation_that_onnx_lacks_is_refused_and_named(tmp_path: Path) -> None:
    needs("onnxruntime")
    specs = [tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None, None], tf.float32)]
    graph = tf.function(lambda x, y: tf.math.lgamma(x) + y, input_signature=specs).get_concrete_function()

    with pytest.raises(AgnewsError, match="no counterpart in ONNX") as error:
        to_onnx(graph, "float32", str(tmp_path))

    assert "Lgamma" in str(error.value.found)
    assert not (tmp_path / "model.onnx").exists()


def test_onnx_runtime_has_no_bfloat16(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="does not compute in bfloat16"):
        to_onnx(None, "bfloat16", str(tmp_path))
