"""Tries the exported model in a fresh process."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.model_store.baseline_at import SERVING_FOLDER
from agnews.components.smoke_test import probe
from agnews.components.smoke_test.judge_probe import judge_probe
from agnews.components.storage.files_at import files_at
from agnews.schemas import features
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.smoke_report import SmokeReport

_FORBIDDEN = ("agnews", "tfx", "tensorflow_transform", "official", "apache_beam")
_LAST_LINES = 15


def run_probe(
    model_folder: str, *, golden: Sequence[bytes], odd: Sequence[bytes], timeout_seconds: float
) -> dict[str, Any]:
    """Loads a model in a fresh process and lets it answer.

    Args:
        model_folder: A SavedModel on a local disk.
        golden: Texts to answer in all ways.
        odd: Texts to answer one by one.
        timeout_seconds: The process is ended after this time.

    Returns:
        The findings that `probe` describes, or `error` alone where the process did not end well.
    """
    with TemporaryDirectory() as folder:
        request, response = Path(folder) / "request.json", Path(folder) / "response.json"
        request.write_text(
            json.dumps(
                {
                    "golden": [base64.b64encode(text).decode() for text in golden],
                    "odd": [base64.b64encode(text).decode() for text in odd],
                    "serve_text": features.SERVE_TEXT,
                    "serve_examples": features.SERVE_EXAMPLES,
                    "transform_features": features.TRANSFORM_FEATURES,
                    "forbidden_modules": _FORBIDDEN,
                }
            )
        )
        # The processor serves: a GPU may be busy with another step, and many servers have none.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "LANG": "C.UTF-8",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            # TensorFlow Text loads one Keras or the other; Keras 3 takes seconds and builds a cache of fonts in HOME.
            "TF_USE_LEGACY_KERAS": "1",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        try:
            done = subprocess.run(
                [sys.executable, "-I", probe.__file__, model_folder, str(request), str(response)],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"no answer within {timeout_seconds:g} seconds"}
        if done.returncode != 0 or not response.exists():
            last = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
            how = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
            return {"error": f"{how}\n{last}"}
        findings: dict[str, Any] = json.loads(response.read_text())
        return findings


ODD_TEXTS: Mapping[str, bytes] = MappingProxyType(
    {
        "empty": b"",
        "blank": b" \t\n\r ",
        "100 kB": b"Shares of the company fell sharply after the report. " * 2000,
        "100 kB without a space": b"x" * 100_000,
        "emoji": "🚀🚀 👩‍👩‍👧‍👦 ⚽️🏆".encode(),
        "null byte": b"Oil prices\x00 rise",
        "only markup": b"<b></b><br/>&lt;p&gt;&amp;&quot; #39; \\",
        "right to left": "رئيس الوزراء يلتقي وفدا في جنيف".encode(),
        "no spaces between words": "日本の首相が国会で演説した".encode(),
        "combining marks": ("e" + "\u0301" * 200).encode(),
        "not UTF-8": b"caf\xe9 \xff\xfe\x80",
        "control characters": bytes(range(1, 32)),
    }
)
"""UTF-8, except where the name says otherwise, by what is odd about them."""


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
            report = _try(f"{get_single_instance(input_dict['model']).uri}/{SERVING_FOLDER}", exec_properties)
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


def _try(model: str, exec_properties: dict[str, Any]) -> SmokeReport:
    corpus = read_carried_corpus(exec_properties["corpus"])
    with TemporaryDirectory() as folder:
        files, local = files_at(model), model
        paths = files.files_below(model)
        if "://" in model:  # The probe's environment has no credentials.
            local = f"{folder}/model"
            for path in paths:
                files_at(local).write(f"{local}/{path}", files.read(f"{model}/{path}"))
        findings = run_probe(
            local,
            golden=[text.encode() for _, text in corpus.golden_pairs] or [_ORDINARY_TEXT.encode()],
            odd=list(ODD_TEXTS.values()),
            timeout_seconds=exec_properties["timeout_seconds"],
        )
        size = sum((Path(local) / path).stat().st_size for path in paths)
    return judge_probe(
        findings,
        class_names=corpus.class_names,
        golden_classes=[corpus.class_names.index(name) for name, _ in corpus.golden_pairs],
        odd_names=list(ODD_TEXTS),
        size_mb=size / 1e6,
        max_latency_ms=exec_properties["max_latency_ms"],
        max_size_mb=exec_properties["max_size_mb"],
    )
