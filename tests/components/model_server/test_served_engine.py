"""A version that an export answers for, behind the interface of TensorFlow Serving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import exports_beside
from agnews.components.engines.text_engine import open_export
from agnews.components.model_export.export_version import ExportRequest, export_version
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.components.model_server.load_version import load_version
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import PushedModel, find_pushed_model
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import (
    CLASS_ID,
    CLASS_LABEL,
    CONTRIBUTIONS,
    EXPLAIN,
    PROBABILITIES,
    SERVE_EXAMPLES,
    SERVE_TEXT,
)

pytestmark = pytest.mark.integration
CLASSES = packaged_corpus().class_names


def example(text: bytes) -> bytes:
    feature = {
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    return serialized


@pytest.fixture(scope="module")
def exported(
    push: Callable[[Path, Path], ModelStore],
    toy_classifier: Path,
    toy_texts: list[bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> PushedModel:
    """A pushed version with an export in int8 for ONNX Runtime beside it."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    store = push(tmp_path_factory.mktemp("engines"), toy_classifier)
    pushed = find_pushed_model(store)
    request = ExportRequest("onnxruntime", "int8", pushed.record.version, pushed.record.model_digest)
    rows = LabelledTexts(toy_texts, [0] * len(toy_texts), "toy rows")
    found = export_version(pushed.folder, exports_beside(pushed.folder), request, calibration=rows.those([]), test=rows)
    assert found.export.passed
    return pushed


def test_the_signatures_that_classify_are_the_export_s_and_explanations_the_version_s(
    exported: PushedModel, toy_texts: list[bytes]
) -> None:
    plain = load_version(exported)
    served = load_version(exported, engine=EngineChoice.ONNXRUNTIME, batches=2)
    own = open_export(_only_export(exported), batches=1).probabilities(toy_texts)

    by_text = served.run(SERVE_TEXT, toy_texts)
    by_example = served.run(SERVE_EXAMPLES, [example(text) for text in toy_texts])
    whole = plain.run(SERVE_TEXT, toy_texts)

    assert (plain.engine, served.engine) == ("tensorflow", "onnxruntime-int8")
    assert served.signature_defs.keys() == plain.signature_defs.keys()
    for found in (by_text, by_example):
        assert found.keys() == whole.keys()
        np.testing.assert_allclose(found[PROBABILITIES], own, atol=1e-6)
        np.testing.assert_array_equal(found[CLASS_ID], own.argmax(axis=1))
        assert [name.decode() for name in found[CLASS_LABEL]] == [CLASSES[each] for each in found[CLASS_ID]]
        assert {name: values.dtype for name, values in found.items()} == {
            name: values.dtype for name, values in whole.items()
        }
    assert np.abs(by_text[PROBABILITIES] - whole[PROBABILITIES]).max() > 1e-6, "it is TensorFlow that answers"
    assert served.run(SERVE_TEXT, [])[PROBABILITIES].shape == (0, 4)
    np.testing.assert_allclose(
        served.run(EXPLAIN, toy_texts[:3])[CONTRIBUTIONS], plain.run(EXPLAIN, toy_texts[:3])[CONTRIBUTIONS], atol=1e-6
    )
    served.close()
    plain.close()


def test_an_engine_that_was_asked_for_and_has_nothing_keeps_the_version_from_being_served(
    exported: PushedModel,
) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")

    with pytest.raises(AgnewsError, match="nothing that the engine openvino may serve"):
        load_version(exported, engine=EngineChoice.OPENVINO)


def _only_export(pushed: PushedModel):  # type: ignore[no-untyped-def]
    from agnews.components.engines.find_export import find_exports

    (found,) = find_exports(pushed.folder)
    return found
