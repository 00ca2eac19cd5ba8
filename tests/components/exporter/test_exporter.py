"""The node Exporter on a toy model: what it adds, what it leaves, and what the nodes behind it make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from agnews.components.engines.find_export import PUSHED
from agnews.components.engines.tell_exports import tell_exports
from agnews.components.exporter.executor import Executor
from agnews.components.model_export.compare_with_parent import Comparison
from agnews.components.model_store.baseline_at import SERVING_FOLDER
from agnews.components.serving_model.load_predictor import load_as_served
from agnews.components.serving_model.predictor import Predictor
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.model_export import ModelExport

pytestmark = pytest.mark.integration
CLASSES = packaged_corpus().class_names


@pytest.fixture
def rows(toy_transform: Path, tmp_path: Path) -> Artifact:
    """Raw Examples with the splits that the node reads."""
    for split in ("train", "test"):
        folder = tmp_path / "rows" / f"Split-{split}"
        folder.mkdir(parents=True)
        shutil.copy(toy_transform / "raw" / "Split-train" / "rows.gz", folder / "data_tfrecord-00000-of-00001.gz")
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "rows")
    examples.split_names = '["train", "test"]'
    return examples


@pytest.fixture
def trained(toy_classifier: Path, tmp_path: Path) -> Artifact:
    shutil.copytree(toy_classifier, tmp_path / "trained" / SERVING_FOLDER)
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "trained")
    return model


def export(rows: Artifact, trained: Artifact, target: Path, **settings: Any) -> Path:
    """Runs the node; returns the SavedModel that it wrote."""
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    made = standard_artifacts.Model()
    made.uri = str(target)
    properties = {"formats": "openvino", "precision": "int8", "alpha": 0.05, "code_version": ""}
    Executor().Do({"examples": [rows], "model": [trained]}, {"exported": [made]}, {**properties, **settings})
    return target / SERVING_FOLDER


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_model_stays_and_gets_an_export_that_answers(
    rows: Artifact, trained: Artifact, toy_texts: list[bytes], tmp_path: Path
) -> None:
    model = export(rows, trained, tmp_path / "made")

    before, after = files(Path(trained.uri)), files(tmp_path / "made")
    assert before.items() <= after.items()
    added = {name.removeprefix(f"{SERVING_FOLDER}/{PUSHED}/") for name in after.keys() - before.keys()}
    assert {"openvino-int8/export.json", "openvino-int8/model.xml", "openvino-int8/tokenizer.json"} <= added
    document = ModelExport.model_validate_json((model / PUSHED / "openvino-int8" / ModelExport.FILE).read_bytes())
    assert (document.passed, document.test.rows, document.calibration_rows) == (True, 240, 80)
    assert document.parent_digest == "", "it becomes a part of the version, whose digest covers it"

    # Whether it is the faster one is measured, on a toy too: here it shall be.
    _say_it_is_fast(model)
    served, engine = load_as_served(str(model), CLASSES)
    texts = np.array(toy_texts, object)
    plain = Predictor(str(model), CLASSES).probabilities(texts)
    assert engine == "openvino-int8"
    assert 1e-6 < np.abs(served.probabilities(texts) - plain).max() < 0.5
    (told,) = tell_exports(str(model))
    assert (told.name, told.passed, told.answers, told.rows) == ("openvino-int8", True, True, 240)


def _say_it_is_fast(model: Path) -> None:
    path = model / PUSHED / "openvino-int8" / ModelExport.FILE
    document = json.loads(path.read_text())
    document["speed"] |= {"engine": 1.0, "tensorflow": 10.0}
    path.write_text(json.dumps(document))


def test_an_export_that_is_worse_is_told_of_and_not_there(
    rows: Artifact, trained: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Comparison, "judge", lambda self, alpha: (False, "worse beyond noise"))

    model = export(rows, trained, tmp_path / "made")

    assert [path.name for path in (model / PUSHED / "openvino-int8").iterdir()] == [ModelExport.FILE]
    assert load_as_served(str(model), CLASSES)[1] == "tensorflow"
    (told,) = tell_exports(str(model))
    assert (told.passed, told.answers, told.reason) == (False, False, "worse beyond noise")


def test_a_model_without_exports_is_judged_in_tensorflow(trained: Artifact) -> None:
    model = f"{trained.uri}/{SERVING_FOLDER}"
    assert load_as_served(model, CLASSES)[1] == "tensorflow"
    assert tell_exports(model) == ()
