"""Says which words of a text mattered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from agnews.components.engines.optional_package import is_installed
from agnews.components.model_server.json_response import HttpError
from agnews.components.model_server.predict_request import read_predict_request
from agnews.components.model_server.served_version import ABSTAINED, Outputs, ServedVersion
from agnews.components.model_server.serving_state import ServingState
from agnews.components.model_server.top_classes import TOP_LABELS, TOP_PROBABILITIES, take_top_classes
from agnews.components.prediction.likeliest import default_top
from agnews.schemas.features import CLASS_LABEL, CONTRIBUTIONS, EXPLAIN, PROBABILITIES, TOKENS


async def explain_texts(body: bytes, model: ServedVersion, state: ServingState) -> bytes:
    """Answers a request for explanations.

    Args:
        body: JSON, `{"instances": [text, ...]}`.
        model: The version.
        state: The server.

    Returns:
        JSON, `{"explanations": [{label, probabilities, words}, ...]}`. The contributions of the words of a text are
        towards its label. Probabilities are by name: of the request's `k` likeliest classes, likeliest first; without
        `k`, of all classes in the model's order, or of the likeliest where there are many.

    Raises:
        HttpError: The request is malformed or too large, or the version or this server is without explanations.
    """
    if EXPLAIN not in model.signatures and not is_installed("tensorflow"):
        raise HttpError(
            501,
            "Explanations need TensorFlow, and this server is without: ask one that was installed as agnews[serve].",
        )
    if EXPLAIN not in model.signatures:
        raise HttpError(400, f'Serving signature name: "{EXPLAIN}" not found in signature def')
    asked = read_predict_request(body, lambda _: model.signatures[EXPLAIN].argument, state.limits)
    if len(asked.values) > state.limits.explained:
        raise HttpError(
            422, f"{len(asked.values):,} texts to explain; this server takes up to {state.limits.explained:,} at once."
        )
    outputs = await state.batcher.run(model, EXPLAIN, asked.values)
    # To follow a long text character by character takes a while, and the event loop has others to answer.
    classes = model.record.classes
    return await asyncio.to_thread(_describe, asked.values, outputs, classes, asked.k or default_top(len(classes)))


def _describe(texts: Sequence[bytes], outputs: Outputs, classes: Sequence[str], k: int | None) -> bytes:
    columns = (outputs[name].tolist() for name in (CLASS_LABEL, TOKENS, CONTRIBUTIONS))
    explanations: list[dict[str, Any]] = [
        {
            "label": label.decode(),
            "probabilities": named,
            "words": _words(text, tokens, contributions),
        }
        for text, named, label, tokens, contributions in zip(texts, _named(outputs, classes, k), *columns, strict=True)
    ]
    if ABSTAINED in outputs:
        for explanation, abstained in zip(explanations, outputs[ABSTAINED].tolist(), strict=True):
            explanation[ABSTAINED] = abstained
    return orjson.dumps({"explanations": explanations})


def _named(outputs: Outputs, classes: Sequence[str], k: int | None) -> Iterator[dict[str, float]]:
    if k is None:
        return (dict(zip(classes, shares, strict=True)) for shares in outputs[PROBABILITIES].tolist())
    top = take_top_classes(outputs, k, classes)
    rows = zip(top[TOP_LABELS].tolist(), top[TOP_PROBABILITIES].tolist(), strict=True)
    return ({name.decode(): share for name, share in zip(names, shares, strict=True)} for names, shares in rows)


def _words(text: bytes, tokens: Sequence[bytes], contributions: Sequence[float]) -> list[dict[str, Any]]:
    # Its tables of characters are the graph's, which needs TensorFlow.
    from agnews.components.text.align_words import align_words

    pieces = [token.decode(errors="replace") for token in tokens]
    words = align_words(text.decode(errors="replace"), pieces, contributions)
    return [{"text": word.text, "start": word.start, "contribution": word.contribution} for word in words]
