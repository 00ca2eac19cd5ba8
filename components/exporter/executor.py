"""Exports a model before it is judged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance, get_split_uris

from agnews.components.engines.find_export import PUSHED, FoundExport
from agnews.components.evaluator.raw_rows import read_rows
from agnews.components.example_files.read_records import record_files
from agnews.components.model_export.export_version import CALIBRATION_ROWS, ExportRequest, export_version
from agnews.components.model_export.labelled_texts import LabelledTexts
from agnews.components.model_export.require_converters import FORMATS
from agnews.components.model_store.baseline_at import SERVING_FOLDER
from agnews.components.storage.files_at import files_at
from agnews.components.storage.local_copy import local_copy
from agnews.schemas.features import TEST, TRAIN
from agnews.schemas.model_export import ModelExport
from agnews.schemas.progress import Progress, report_progress

_LOGGER = logging.getLogger(__name__)
_ENOUGH = 3000
"""Of so many rows of train, those that calibrate are chosen."""


class Executor(BaseExecutor):
    """Runs the node Exporter.

    Inputs:
        examples: Examples, raw; of the split `train` some rows are read, and the split `test`.
        model: Model, as exported by the trainer.

    Outputs:
        exported: Model, the same, with exports in `assets.extra/engines`. Of an export that is worse than the model
            beyond noise, its description alone is there, which says why.

    Exec properties:
        formats: `openvino`, `onnx`, or both with a comma between them.
        precision: Of the arithmetic.
        alpha: Level of the paired test.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class. An export that is worse is no error: TensorFlow answers in its place.

        Raises:
            AgnewsError: A package is missing, the model cannot be converted, or there are too few test rows.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        source = get_single_instance(input_dict["model"]).uri
        target = get_single_instance(output_dict["exported"]).uri
        files, own = files_at(source), files_at(target)
        for path in files.files_below(source):
            own.write(f"{target}/{path}", files.read(f"{source}/{path}"))
        calibration, _ = _rows(get_split_uris(input_dict["examples"], TRAIN), "train", _ENOUGH).split(CALIBRATION_ROWS)
        test = _rows(get_split_uris(input_dict["examples"], TEST), "the test split")
        engines = f"{target}/{SERVING_FOLDER}/{PUSHED}"
        with local_copy(f"{source}/{SERVING_FOLDER}") as model:
            for name in exec_properties["formats"].split(","):
                request = ExportRequest(
                    engine=FORMATS[name],
                    precision=exec_properties["precision"],
                    version="",
                    parent_digest="",
                    alpha=exec_properties["alpha"],
                )
                found = export_version(
                    model, engines, request, calibration=calibration, test=test, on_rows=_teller(name, len(test.texts))
                )
                if not found.export.passed:
                    _keep_description(found)
                _LOGGER.info("%s: %s", found.export.name, found.export.reason)


def _teller(name: str, total: int) -> Any:
    return lambda rows: report_progress(Progress("Exporter", rows, total, unit=f"rows in {name}"))


def _rows(folders: Sequence[str], source: str, enough: int | None = None) -> LabelledTexts:
    texts: list[bytes] = []
    labels: list[int] = []
    for rows in read_rows(record_files(folders)):
        texts += rows.text.tolist()
        labels += np.asarray(rows.label).tolist()
        if enough is not None and len(texts) >= enough:
            break
    return LabelledTexts(texts, labels, source)


def _keep_description(found: FoundExport) -> None:
    """Takes away what nothing may run; what is known about it goes into the report, and with the version."""
    files = files_at(found.folder)
    files.remove(found.folder)
    found.export.write(found.folder, files.write)
    assert files.names(found.folder) == [ModelExport.FILE]  # noqa: S101
