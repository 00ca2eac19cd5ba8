"""Loads a model in a process of its own and measures how it answers. Run as a script; it judges nothing.

    python -I probe.py MODEL_FOLDER REQUEST.json RESPONSE.json

A server has TensorFlow and TensorFlow Text, and nothing of this project, so nothing else is imported here: a model that
needs our code to load fails in this process, not in production. Texts travel as base64, because they need not be UTF-8.
"""

from __future__ import annotations

import base64
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Otherwise the collector looks at modules again and again while they are loaded, a sixth of all that this process does.
gc.disable()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_text  # noqa: E402, F401 - registers the ops of the tokenizer

gc.freeze()
gc.enable()

_WARM_UP, _REQUESTS, _BATCH, _BATCHES = 3, 30, 64, 3


def main(model_folder: str, request_file: str, response_file: str) -> None:
    """Measures a model.

    Args:
        model_folder: The SavedModel.
        request_file: JSON with `golden` and `odd`, lists of base64 texts, and the names of the signatures.
        response_file: Where the findings go, as JSON. An answer is an object with `class_id`, `label`, `probabilities`
            (nested lists) and their `dtypes`, or with `error`.
    """
    request = json.loads(Path(request_file).read_text())
    golden = [base64.b64decode(text) for text in request["golden"]]
    odd = [base64.b64decode(text) for text in request["odd"]]
    started = time.perf_counter()
    model = tf.saved_model.load(model_folder)
    findings: dict[str, Any] = {
        "load_seconds": time.perf_counter() - started,
        "signatures": sorted(model.signatures),
        "tensorflow": tf.__version__,
    }
    serve_text = model.signatures.get(request["serve_text"])
    serve_examples = model.signatures.get(request["serve_examples"])
    transform = model.signatures.get(request["transform_features"])
    if serve_text is not None:

        def ask(texts: list[bytes]) -> dict[str, Any]:
            return _attempt(lambda: serve_text(text=tf.constant(texts, tf.string, [len(texts)])))

        findings["golden"] = ask(golden)
        findings["golden_again"] = ask(golden)
        findings["one_by_one"] = [ask([text]) for text in golden]
        findings["odd"] = [ask([text]) for text in odd]
        findings["empty"] = ask([])
        findings["batch"] = ask((golden * _BATCH)[:_BATCH])
        if "error" not in findings["batch"]:
            findings |= _speed(ask, golden)
    examples = tf.constant([_example(text) for text in golden], tf.string, [len(golden)])
    if serve_examples is not None:
        findings["examples"] = _attempt(lambda: _call_with_only_input(serve_examples, examples))
    if transform is not None:
        findings["transformed"] = _attempt(lambda: _call_with_only_input(transform, examples))
    findings["own_modules"] = sorted(name for name in sys.modules if name.split(".")[0] in request["forbidden_modules"])
    findings["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )
    Path(response_file).write_text(json.dumps(findings))


def _attempt(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {name: _plain(value.numpy()) for name, value in call().items()}
    except Exception as error:  # noqa: BLE001 - whatever a model raises is a finding about it
        return {"error": f"{type(error).__name__}: {str(error).strip()[:500]}"}


def _plain(value: np.ndarray[Any, Any]) -> dict[str, Any]:
    values = np.char.decode(value.astype(bytes), "utf-8", "replace") if value.dtype == object else value
    return {"dtype": "string" if value.dtype == object else value.dtype.name, "values": values.tolist()}


def _call_with_only_input(signature: Any, examples: tf.Tensor) -> dict[str, Any]:
    (name,) = signature.structured_input_signature[1]
    answer: dict[str, Any] = signature(**{name: examples})
    return answer


def _example(text: bytes) -> bytes:
    """A raw Example, as NewsExampleGen writes it."""
    feature = {
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
        "num_words": tf.train.Feature(int64_list=tf.train.Int64List(value=[len(text.split())])),
        "has_markup": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"no"])),
        "row": tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    return serialized


def _speed(ask: Callable[[list[bytes]], dict[str, Any]], texts: list[bytes]) -> dict[str, float]:
    def seconds(batch: list[bytes]) -> float:
        started = time.perf_counter()
        ask(batch)
        return time.perf_counter() - started

    for text in texts[:_WARM_UP]:
        ask([text])
    single = [seconds([texts[number % len(texts)]]) for number in range(_REQUESTS)]
    batches = [seconds((texts * _BATCH)[:_BATCH]) for _ in range(_BATCHES)]
    return {
        "latency_ms": 1000.0 * statistics.median(single),
        "rows_per_second": _BATCH / statistics.median(batches),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
