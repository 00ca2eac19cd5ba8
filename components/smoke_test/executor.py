"""Tries the exported model in a fresh process."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tensorflow as tf
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance

from agnews.components.baseline_model.baseline_at import SERVING_FOLDER
from agnews.components.model_store.files import files_at
from agnews.components.smoke_test.judge_probe import judge_probe
from agnews.components.smoke_test.odd_texts import ODD_TEXTS
from agnews.components.smoke_test.run_probe import run_probe
from agnews.schemas.corpus import corpus_named
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.smoke_report import SmokeReport

_LOGGER = logging.getLogger(__name__)
_ORDINARY_TEXT = "A short text that says nothing in particular."


class Executor(BaseExecutor):
    """Runs the node SmokeTest.

    Inputs:
        model: Model, as exported by the trainer.
        blessing: ModelBlessing. A model that was not blessed is not tried, since it will not be pushed.

    Outputs:
        report: StepReport, `report.json` is an `agnews.schemas.smoke_report.SmokeReport`.

    Exec properties:
        corpus: Name of a description in `agnews.schemas.corpus`; it has the classes and the golden texts.
        max_latency_ms: Bound of the median time of a request with one text.
        max_size_mb: Bound of the size of the model folder.
        timeout_seconds: The process is ended after this time.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class.

        Raises:
            AgnewsError: A blessed model fails a check. It was found good, so the export or its environment is broken,
                and the run must not look as if it had ended well.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        if tf.io.gfile.exists(f"{get_single_instance(input_dict['blessing']).uri}/BLESSED"):
            report = _try(f"{get_single_instance(input_dict['model']).uri}/{SERVING_FOLDER}", exec_properties)
        else:
            report = SmokeReport(passed=False, skipped="the model was not blessed, so it will not be pushed")
        folder = get_single_instance(output_dict["report"]).uri
        tf.io.gfile.makedirs(folder)
        with tf.io.gfile.GFile(f"{folder}/report.json", "w") as file:
            file.write(report.model_dump_json(indent=2))
        for check in report.checks:
            _LOGGER.info("%s %s: %s (%s)", "pass" if check.passed else "FAIL", check.name, check.found, check.bound)
        failed = [check for check in report.checks if not check.passed]
        if failed:
            raise AgnewsError(
                f"The model is blessed and cannot be served: it fails {len(failed)} of {len(report.checks)} checks of "
                "the smoke test. It was not pushed.",
                found="".join(f"\n    {check.name}: {check.found}\n      wanted: {check.bound}" for check in failed),
                fix="Mend the export, or raise the bounds smoke_test.* in the configuration, then run again.",
                exit_code=ExitCode.FAILED,
            )


def _try(model: str, exec_properties: dict[str, Any]) -> SmokeReport:
    corpus = corpus_named(exec_properties["corpus"])
    with TemporaryDirectory() as folder:
        files, local = files_at(model), model
        paths = files.files_below(model)
        if "://" in model:  # The probe's environment has no credentials.
            local = f"{folder}/model"
            for path in paths:
                files_at(local).write(f"{local}/{path}", files.read(f"{model}/{path}"))
        findings = run_probe(
            local,
            golden=[text.encode() for _, text in corpus.golden_texts] or [_ORDINARY_TEXT.encode()],
            odd=list(ODD_TEXTS.values()),
            timeout_seconds=exec_properties["timeout_seconds"],
        )
        size = sum((Path(local) / path).stat().st_size for path in paths)
    return judge_probe(
        findings,
        class_names=corpus.class_names,
        golden_classes=[corpus.class_names.index(name) for name, _ in corpus.golden_texts],
        odd_names=list(ODD_TEXTS),
        size_mb=size / 1e6,
        max_latency_ms=exec_properties["max_latency_ms"],
        max_size_mb=exec_properties["max_size_mb"],
    )
