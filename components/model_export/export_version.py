"""A version for another engine, in a folder of its own, with the proof that it is as good."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agnews.components.engines.find_export import FoundExport
from agnews.components.engines.library_tokens import TOKENIZER_FILE
from agnews.components.engines.text_engine import TextEngine
from agnews.components.model_export.compare_with_parent import compare_with_parent
from agnews.components.model_export.convert import convert, not_convertible
from agnews.components.model_export.cut_model import CutModel
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.components.model_store.model_digest import model_digest
from agnews.components.serving_model.facts_file import FACTS_FILE
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_export import ExportEngine, ModelExport, Precision

CALIBRATION_ROWS = 300
LEAST_ROWS = 200
"""On fewer, the paired test would find nothing worse."""


@dataclass(frozen=True)
class ExportRequest:
    """What to make.

    Attributes:
        engine: What shall run it.
        precision: Of the arithmetic.
        version: Number of the version; empty before it has one.
        parent_digest: Of the version's files; empty where the export becomes one of them.
        alpha: Level of the paired test.
    """

    engine: ExportEngine
    precision: Precision
    version: str
    parent_digest: str
    alpha: float = 0.05

    @property
    def name(self) -> str:
        """Name of the export's folder."""
        return f"{self.engine}-{self.precision}"


def export_version(
    saved_model: str,
    target: str,
    request: ExportRequest,
    *,
    calibration: LabelledTexts,
    test: LabelledTexts,
    on_step: Callable[[str], None] = lambda step: None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> FoundExport:
    """Converts a model, lets both answer the test rows, and writes what came of it.

    Args:
        saved_model: The version, where TensorFlow opens it.
        target: Folder or URI that gets the folder of the export; one of the same name is replaced. The description is
            written last: without it there is no export.
        request: What to make.
        calibration: Texts that int8 takes its ranges from; none of them may be in `test`.
        test: Rows to compare on.
        on_step: Called with what is done next.
        on_rows: Called with the number of rows that were compared.

    Returns:
        The export, whether it passed or not.

    Raises:
        AgnewsError: It cannot be made, or there are too few rows to compare on.
    """
    if len(test.texts) < LEAST_ROWS:
        raise AgnewsError(
            "There are too few rows to tell whether the export is as good as the version.",
            found=f"{test.source}: {len(test.texts):,} rows to test, {len(calibration.texts):,} to calibrate",
            fix=f"Name a file with at least {LEAST_ROWS + CALIBRATION_ROWS} labelled rows.",
        )
    on_step("loading the version")
    model = CutModel(saved_model)
    folder = tempfile.mkdtemp(prefix="agnews-export-")
    try:
        on_step(f"converting it for {request.engine} in {request.precision}")
        needed = calibration if request.engine == "openvino" and request.precision == "int8" else calibration.those([])
        versions = convert(
            model,
            folder,
            engine=request.engine,
            precision=request.precision,
            calibration=needed.texts,
            test=test.texts,
            saved_model=saved_model,
        )
        on_step(f"comparing both on {len(test.texts):,} rows")
        export = _tested(request, model, folder, test, len(needed.texts), versions, on_rows, saved_model)
        return _put(folder, f"{target}/{request.name}", export)
    finally:
        shutil.rmtree(folder)


def _tested(
    request: ExportRequest,
    model: CutModel,
    folder: str,
    test: LabelledTexts,
    calibrated: int,
    versions: dict[str, str],
    on_rows: Callable[[int], None],
    saved_model: str,
) -> ModelExport:
    digest = model_digest({path: f"{folder}/{path}" for path in files_at(folder).files_below(folder)})
    longest = _longest(saved_model)
    engine = TextEngine.open(folder, engine=request.engine, precision=request.precision, batches=1, longest=longest)
    try:
        compared = compare_with_parent(
            test,
            parent=model.probabilities,
            export=engine.probabilities,
            version=request.version,
            alpha=request.alpha,
            on_rows=on_rows,
        )
    finally:
        engine.close()
    if not compared.differs_like(request.precision):
        raise not_convertible(
            saved_model,
            request.engine,
            f"in float32 it gives probabilities that differ by up to {compared.test.largest_difference:.3f}",
        )
    passed, reason = compared.judge(request.alpha)
    return ModelExport(
        engine=request.engine,
        precision=request.precision,
        version=request.version,
        parent_digest=request.parent_digest,
        digest=digest,
        classes=compared.classes,
        longest=longest,
        calibration_rows=calibrated,
        passed=passed,
        reason=reason,
        test=compared.test,
        speed=compared.speed,
        versions=versions,
    )


def _longest(saved_model: str) -> int:
    facts = Path(saved_model, FACTS_FILE)
    text = json.loads(facts.read_text()).get("text", {}) if facts.is_file() else {}
    return int(text.get("max_length", 0))


def _put(folder: str, target: str, export: ModelExport) -> FoundExport:
    files = files_at(target)
    description = f"{target}/{ModelExport.FILE}"
    if files.exists(description):
        files.remove_file(description)
    files.remove(target)
    for path in files_at(folder).files_below(folder):
        files.write(f"{target}/{path}", files_at(folder).read(f"{folder}/{path}"))
    export.write(target, files.write)
    return FoundExport(target, export, needs_tensorflow=not files.exists(f"{target}/{TOKENIZER_FILE}"))
