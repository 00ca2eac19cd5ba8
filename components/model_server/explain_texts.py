"""Says which words of a text mattered."""

from __future__ import annotations

from typing import Any

from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.predict_request import read_predict_request
from agnews.components.model_server.served_version import ServedVersion
from agnews.components.model_server.serving_state import ServingState
from agnews.components.model_server.word_contributions import word_contributions
from agnews.schemas.features import CLASS_LABEL, CONTRIBUTIONS, EXPLAIN, PROBABILITIES, TOKENS


async def explain_texts(body: bytes, model: ServedVersion, state: ServingState) -> dict[str, Any]:
    """Answers a request for explanations.

    Args:
        body: JSON, `{"instances": [text, ...]}`.
        model: The version.
        state: The server.

    Returns:
        `{"explanations": [{label, probabilities, words}, ...]}`.

    Raises:
        HttpError: The request is malformed or too large, or the version was exported without explanations.
    """
    if EXPLAIN not in model.signatures:
        raise HttpError(400, f'Serving signature name: "{EXPLAIN}" not found in signature def')
    asked = read_predict_request(body, lambda _: model.signatures[EXPLAIN].argument, state.limits)
    if len(asked.values) > state.limits.explained:
        raise HttpError(
            422, f"{len(asked.values):,} texts to explain; this server takes up to {state.limits.explained:,} at once."
        )
    outputs = await state.batcher.run(model, EXPLAIN, asked.values)
    columns = (outputs[name] for name in (CLASS_LABEL, PROBABILITIES, TOKENS, CONTRIBUTIONS))
    return {
        "explanations": [
            {
                "label": label.decode(),
                "probabilities": dict(zip(model.record.classes, probabilities.tolist(), strict=True)),
                "words": [
                    {"text": text, "contribution": contribution}
                    for text, contribution in word_contributions(tokens.tolist(), contributions.tolist())
                ],
            }
            for label, probabilities, tokens, contributions in zip(*columns, strict=True)
        ]
    }
