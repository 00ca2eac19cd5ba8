"""An exported model in a process of its own, and what comes of it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agnews.components.smoke_test.judge_probe import judge_probe
from agnews.components.storage.files_at import files_at
from agnews.schemas import features
from agnews.schemas.corpus import Corpus
from agnews.schemas.smoke_report import ServingCost, SmokeReport

if TYPE_CHECKING:
    # Run by its path, in a process that has TensorFlow; named here so that the node's code version covers it.
    from agnews.components.smoke_test import probe  # noqa: F401

_PROBE = Path(__file__).with_name("probe.py")
_ORDINARY_TEXT = "A short text that says nothing in particular."
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
                [sys.executable, "-I", str(_PROBE), model_folder, str(request), str(response)],
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


def try_model(
    model: str, corpus: Corpus, *, max_latency_ms: float, max_size_mb: float, timeout_seconds: float
) -> SmokeReport:
    """Tries a model in a fresh process, and judges what it answers.

    Args:
        model: Folder or URI of a SavedModel.
        corpus: Its classes, and golden texts if there are some.
        max_latency_ms: Bound of the median time of a request with one text.
        max_size_mb: Bound of the size of the folder.
        timeout_seconds: The process is ended after this time.

    Returns:
        The report.
    """
    with _here(model) as (local, size_mb):
        findings = run_probe(
            local,
            golden=[text.encode() for _, text in corpus.golden_pairs] or [_ORDINARY_TEXT.encode()],
            odd=list(ODD_TEXTS.values()),
            timeout_seconds=timeout_seconds,
        )
    positions = {name: position for position, name in enumerate(corpus.class_names)}
    return judge_probe(
        findings,
        class_names=corpus.class_names,
        golden_classes=[positions[name] for name, _ in corpus.golden_pairs],
        odd_names=list(ODD_TEXTS),
        one_class=corpus.label_sets is None,
        size_mb=size_mb,
        max_latency_ms=max_latency_ms,
        max_size_mb=max_size_mb,
    )


def measure_serving(model: str, corpus: Corpus, *, version: str, timeout_seconds: float) -> ServingCost | None:
    """Measures what it takes to serve a model that was tried before, with the texts that `try_model` takes.

    Args:
        model: Folder or URI of a SavedModel.
        corpus: Its golden texts, if there are some.
        version: Its number.
        timeout_seconds: The process is ended after this time.

    Returns:
        The figures; None where it does not answer, which is no matter of the candidate.
    """
    with _here(model) as (local, size_mb):
        golden = [text.encode() for _, text in corpus.golden_pairs] or [_ORDINARY_TEXT.encode()]
        found = run_probe(local, golden=golden, odd=[], timeout_seconds=timeout_seconds)
    if found.get("latency_ms") is None or found.get("rows_per_second") is None:
        return None
    return ServingCost(
        version=version,
        latency_ms=found["latency_ms"],
        rows_per_second=found["rows_per_second"],
        size_mb=size_mb,
    )


@contextmanager
def _here(model: str) -> Iterator[tuple[str, float]]:
    """Yields a local folder with the model, and its megabytes without what lies beside it.

    Local, since the probe's environment has no credentials.
    """
    with TemporaryDirectory() as folder:
        files, local = files_at(model), model
        paths = files.files_below(model)
        if "://" in model:
            local = f"{folder}/model"
            for path in paths:
                files_at(local).write(f"{local}/{path}", files.read(f"{model}/{path}"))
        loaded = [path for path in paths if not path.startswith("assets.extra/")]
        yield local, sum((Path(local) / path).stat().st_size for path in loaded) / 1e6
