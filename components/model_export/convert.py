"""Files for an engine, made of a version."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from agnews.components.engines.find_export import TOKENIZER
from agnews.components.engines.graph_tokens import GraphTokens
from agnews.components.engines.library_tokens import LibraryTokens, write_tokenizer
from agnews.components.engines.optional_package import is_installed
from agnews.components.engines.text_tokens import TextTokens, Tokens
from agnews.components.model_export import to_onnx, to_openvino
from agnews.components.model_export.cut_model import CutModel
from agnews.components.serving_model.facts_file import FACTS_FILE
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_export import ExportEngine, Precision

_HARD_TEXTS = (
    b"",
    b" \t\n",
    b"Oil prices soar to all-time record",
    b"caf\xe9 \xff\xfe\x80 not UTF-8",
    "Z\u00fcrich\u2019s \ufb01rst caf\u00e9 \u2167\u00bd \u2122".encode(),
    "\u65e5\u672c\u306e\u9996\u76f8 \u0631\u0626\u064a\u0633 \U0001f680 e\u0301".encode(),
    b"<b>AT&amp;T</b> #39;quoted#39; \\ &lt;p&gt; " + b"x" * 5000,
    bytes(range(1, 128)),
)


def convert(
    model: CutModel,
    folder: str,
    *,
    engine: ExportEngine,
    precision: Precision,
    calibration: Sequence[bytes],
    test: Sequence[bytes],
    saved_model: str,
) -> dict[str, str]:
    """Writes the network for an engine, and the tokeniser beside it.

    Args:
        model: The version.
        folder: Where to, on a local disk.
        engine: What shall run it.
        precision: Of the arithmetic.
        calibration: Texts that int8 takes its ranges from; unused otherwise.
        test: Other texts, on which the tokeniser that needs no TensorFlow has to make the tokens of the graph.
        saved_model: Folder of the version, for what it says about itself.

    Returns:
        Versions of the libraries that took part.

    Raises:
        AgnewsError: A package is missing, the engine lacks the precision, a model of this kind cannot be converted, or
            the tokeniser that was written makes other tokens than the version.
    """
    model.save_tokenizer(f"{folder}/{TOKENIZER}")
    tokens = GraphTokens(f"{folder}/{TOKENIZER}")
    try:
        _require_same_tokens(tokens, model.tokens, [*_HARD_TEXTS, *calibration])
        batches = [tokens([text]) for text in calibration]
        _write_library_tokens(model, folder, saved_model, tokens, [*_HARD_TEXTS, *calibration, *test])
    finally:
        tokens.close()
    writers: dict[ExportEngine, Callable[[], None]] = {
        "openvino": lambda: to_openvino.to_openvino(model.network(), precision, batches, folder),
        "onnxruntime": lambda: to_onnx.to_onnx(model.network(), precision, folder),
    }
    packages = {"openvino": to_openvino.PACKAGES, "onnxruntime": to_onnx.PACKAGES}[engine]
    try:
        writers[engine]()
    except AgnewsError:
        raise
    except Exception as error:
        raise not_convertible(saved_model, engine, f"{type(error).__name__}: {_first_line(error)}") from error
    return _versions(("agnews", "tensorflow", "tokenizers", *packages))


def not_convertible(saved_model: str, engine: ExportEngine, found: str) -> AgnewsError:
    """Makes the error for a model that an engine cannot run.

    Args:
        saved_model: Its folder.
        engine: The engine.
        found: What went wrong.
    """
    kind = _facts(saved_model).get("model", {}).get("kind")
    return AgnewsError(
        f"A model of the kind {kind or 'unknown'} cannot be converted for the engine {engine}.",
        found=found,
        fix="Try the other one of --to openvino and --to onnx, or serve it with TensorFlow, which needs no export.",
        exit_code=ExitCode.FAILED,
    )


def _write_library_tokens(
    model: CutModel, folder: str, saved_model: str, tokens: TextTokens, texts: Sequence[bytes]
) -> None:
    """Writes the tokeniser that needs no TensorFlow, where the version says how it cuts texts."""
    facts = _facts(saved_model)
    text = facts.get("text", {})
    pieces = model.word_pieces(facts.get("vocabulary_sha256", ""))
    if not pieces or not isinstance(text.get("lowercase"), bool) or not is_installed("tokenizers"):
        return
    write_tokenizer(folder, pieces, lowercase=text["lowercase"], max_length=int(text["max_length"]))
    _require_same_tokens(LibraryTokens(folder), tokens, texts)


def _facts(saved_model: str) -> dict[str, Any]:
    facts = Path(saved_model, FACTS_FILE)
    found: dict[str, Any] = json.loads(facts.read_text()) if facts.is_file() else {}
    return found


def _require_same_tokens(
    tokens: TextTokens, wanted: Callable[[Sequence[bytes]], Sequence[np.ndarray] | Tokens], texts: Sequence[bytes]
) -> None:
    for number, text in enumerate(texts):
        found = tokens([text])
        if not all(np.array_equal(ours, theirs) for ours, theirs in zip(found, wanted([text]), strict=True)):
            raise AgnewsError(
                "The tokeniser of the export makes other tokens than the version.",
                found=f"text {number}: {text[:60]!r}",
                fix="Report this with the text: an export that reads other tokens must not be served.",
                exit_code=ExitCode.FAILED,
            )


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # NNCF need not be there for float32.
    return found


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).strip().splitlines() if line.strip()), "")
