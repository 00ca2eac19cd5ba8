"""Tries the exported model in a fresh process."""

from __future__ import annotations

import logging
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.model_store.baseline_at import SERVING_FOLDER, baseline_at
from agnews.components.smoke_test.try_model import measure_serving, try_model
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.smoke_report import SmokeReport

_LOGGER = logging.getLogger(__name__)


class Executor(BaseExecutor):
    """Runs the node SmokeTest.

    Inputs:
        model: Model, as exported by the trainer.
        blessing: ModelBlessing. A model that was not blessed is not tried, since it will not be pushed.
        baseline: Model that BaselineModel wrote; it may hold none. One that is there is measured beside the candidate.

    Outputs:
        report: StepReport, `report.json` is an `agnews.schemas.smoke_report.SmokeReport`.

    Exec properties:
        corpus: Its classes and golden texts, from `carry_corpus`.
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
        blessing = get_single_instance(input_dict["blessing"]).uri
        if files_at(blessing).exists(f"{blessing}/BLESSED"):
            report = _try(input_dict, exec_properties)
        else:
            report = SmokeReport(passed=False, skipped="the model was not blessed, so it will not be pushed")
        folder = get_single_instance(output_dict["report"]).uri
        report.write(folder, files_at(folder).write)
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


def _try(input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]) -> SmokeReport:
    corpus, seconds = read_carried_corpus(exec_properties["corpus"]), exec_properties["timeout_seconds"]
    report = try_model(
        f"{get_single_instance(input_dict['model']).uri}/{SERVING_FOLDER}",
        corpus,
        max_latency_ms=exec_properties["max_latency_ms"],
        max_size_mb=exec_properties["max_size_mb"],
        timeout_seconds=seconds,
    )
    baseline = baseline_at(get_single_instance(input_dict["baseline"]).uri)
    if baseline is None or not report.passed:
        return report
    cost = measure_serving(baseline.folder, corpus, version=baseline.record.version, timeout_seconds=seconds)
    return report.model_copy(update={"baseline": cost})
