"""Starts the probe with an environment that holds nothing of ours."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agnews.components.smoke_test import probe
from agnews.schemas import features

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
