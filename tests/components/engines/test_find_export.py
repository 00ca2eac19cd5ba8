from __future__ import annotations

from pathlib import Path

import pytest

from agnews.components.engines import find_export
from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import PUSHED, choose_export, exports_beside, find_exports
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError
from agnews.schemas.evaluation import PairedTest
from agnews.schemas.model_export import ExportSpeed, ExportTest, ModelExport

ALL = frozenset({"openvino", "onnxruntime"})


def describe(engine: str, precision: str, *, milliseconds: float = 1.0, passed: bool = True) -> ModelExport:
    paired = PairedTest(
        baseline="7",
        baseline_accuracy=0.9,
        only_candidate_right=1,
        only_baseline_right=2,
        difference=-0.01,
        confidence_interval=(-0.02, 0.01),
        level=0.9,
        p_worse=0.4,
    )
    return ModelExport(
        engine=engine,
        precision=precision,
        version="7",
        parent_digest="abc",
        digest="def",
        classes=4,
        calibration_rows=0,
        passed=passed,
        reason="won 1 and lost 2" if passed else "worse beyond noise",
        test=ExportTest(rows=100, source="test.csv", changed_answers=3, largest_difference=0.1, paired=paired),
        speed=ExportSpeed(engine=milliseconds, tensorflow=2.0, processor="a processor"),
        versions={},
    )


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of version 7, where everything is installed."""
    monkeypatch.setattr(find_export, "is_installed", lambda name: name in (*ALL, "tensorflow"))
    folder = tmp_path / "models" / "agnews" / "7"
    folder.mkdir(parents=True)
    return folder


def put(folder: str, export: ModelExport) -> str:
    target = f"{folder}/{export.name}"
    export.write(target, files_at(target).write)
    return target


def test_auto_takes_the_fastest_that_passed(version: Path) -> None:
    beside = exports_beside(str(version))
    put(beside, describe("openvino", "float32", milliseconds=1.8))
    fastest = put(beside, describe("openvino", "int8", milliseconds=0.8))
    put(beside, describe("onnxruntime", "int8", milliseconds=0.5, passed=False))

    chosen = choose_export(str(version), "7", EngineChoice.AUTO)

    assert chosen is not None
    assert chosen.folder == fastest


def test_auto_stays_with_tensorflow_where_nothing_is_faster_or_installed(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_export(str(version), "7", EngineChoice.AUTO) is None
    put(exports_beside(str(version)), describe("onnxruntime", "float32", milliseconds=2.1))
    assert choose_export(str(version), "7", EngineChoice.AUTO) is None
    put(exports_beside(str(version)), describe("openvino", "int8", milliseconds=0.8))
    assert choose_export(str(version), "7", EngineChoice.TENSORFLOW) is None
    monkeypatch.setattr(find_export, "is_installed", lambda name: name == "tensorflow")
    assert choose_export(str(version), "7", EngineChoice.AUTO) is None


def test_a_named_engine_is_taken_also_where_it_is_slower(version: Path) -> None:
    slow = put(exports_beside(str(version)), describe("onnxruntime", "float32", milliseconds=2.1))

    chosen = choose_export(str(version), "7", EngineChoice.ONNXRUNTIME)

    assert chosen is not None
    assert chosen.folder == slow


def test_a_named_engine_without_an_export_says_how_to_make_one(version: Path) -> None:
    with pytest.raises(AgnewsError, match="nothing that the engine openvino may serve") as missing:
        choose_export(str(version), "7", EngineChoice.OPENVINO)
    assert "agnews export 7 --to openvino" in missing.value.fix

    put(exports_beside(str(version)), describe("openvino", "int8", passed=False))
    with pytest.raises(AgnewsError, match="nothing that the engine openvino may serve") as failed:
        choose_export(str(version), "7", EngineChoice.OPENVINO)
    assert "openvino-int8: worse beyond noise" in str(failed.value.found)


def test_an_engine_that_is_not_installed_names_the_extra(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(exports_beside(str(version)), describe("onnxruntime", "int8"))
    monkeypatch.setattr(find_export, "is_installed", lambda name: False)

    with pytest.raises(AgnewsError, match="onnxruntime is not installed") as error:
        choose_export(str(version), "7", EngineChoice.ONNXRUNTIME)

    assert "agnews[onnx]" in error.value.fix


def test_exports_that_were_pushed_with_the_version_are_found_too(version: Path) -> None:
    pushed = put(f"{version}/{PUSHED}", describe("openvino", "int8"))

    assert [each.folder for each in find_exports(str(version))] == [pushed]


def test_a_damaged_description_is_named(version: Path) -> None:
    folder = Path(put(exports_beside(str(version)), describe("openvino", "int8")))
    (folder / ModelExport.FILE).write_text("{}")

    with pytest.raises(AgnewsError, match=r"export\.json is no description"):
        find_exports(str(version))
