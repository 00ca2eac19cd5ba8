"""What the OpenAPI document says about routes that read their bodies themselves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
from fastapi import FastAPI

DESCRIPTION = """Classifies texts with the pushed model. What stands under `/v1/models` is TensorFlow Serving's REST
interface, so that clients can move there unchanged; `card`, `:explain`, `:feedback`, `:queue` and the key `k` are
additions. Under `/v2` is the Open Inference Protocol, which clients of KServe and Triton speak.

`Content-Type` of requests is not looked at; bodies are JSON. Errors are `{"error": "..."}`."""

Operation = dict[str, Any]
_Schema = Mapping[str, Any]

STRING = {"type": "string"}
_TEXT = {
    "description": "A text, or any bytes as base64.",
    "anyOf": [
        STRING,
        {
            "type": "object",
            "properties": {"b64": {"type": "string", "format": "byte"}},
            "required": ["b64"],
            "additionalProperties": False,
        },
    ],
}
_TEXTS = {"type": "array", "items": _TEXT}
_NAMED = {"type": "object", "properties": {"text": _TEXT}, "required": ["text"], "additionalProperties": False}
_SIGNATURE = {"type": "string", "description": "Function of the model; default: serving_default.", "default": ""}
_ABSTAINED = {
    "type": "boolean",
    "description": "Whether the label is too unlikely to be an answer; only of a version that abstains.",
}
_K = {
    "type": "integer",
    "minimum": 1,
    "description": "The likeliest so many classes by name, in place of the probabilities of all.",
}
_HEADLINE = "Oil prices soar to all-time record"

_PREDICT_BODY: _Schema = {
    "oneOf": [
        {
            "title": "row form",
            "type": "object",
            "properties": {
                "signature_name": _SIGNATURE,
                "instances": {"anyOf": [_TEXTS | {"minItems": 1}, {"type": "array", "items": _NAMED, "minItems": 1}]},
                "k": _K,
            },
            "required": ["instances"],
            "not": {"required": ["inputs"]},
        },
        {
            "title": "column form",
            "type": "object",
            "properties": {
                "signature_name": _SIGNATURE,
                "inputs": {"anyOf": [_TEXTS, {"type": "object", "properties": {"text": _TEXTS}, "required": ["text"]}]},
                "k": _K,
            },
            "required": ["inputs"],
            "not": {"required": ["instances"]},
        },
    ]
}
_ROW = {
    "type": "object",
    "properties": {
        "class_id": {"type": "integer"},
        "label": STRING,
        "probabilities": {"type": "array", "items": {"type": "number"}},
        "abstained": _ABSTAINED,
        "labels": {
            "type": "array",
            "items": STRING,
            "description": "All classes that the text is given; only of a version of several classes a text, of which "
            "`label` is the likeliest.",
        },
        "chosen": {"type": "array", "items": {"type": "boolean"}, "description": "The same for each class."},
        "top_labels": {"type": "array", "items": STRING, "description": "With `k`: likeliest first."},
        "top_probabilities": {"type": "array", "items": {"type": "number"}, "description": "Of these."},
    },
}
_PREDICT_RESPONSE: _Schema = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"predictions": {"type": "array", "items": _ROW}},
            "required": ["predictions"],
        },
        {"type": "object", "properties": {"outputs": {"type": "object"}}, "required": ["outputs"]},
    ]
}
_EXPLAIN_BODY: _Schema = {
    "type": "object",
    "properties": {
        "instances": _TEXTS | {"minItems": 1},
        "k": _K | {"description": "The likeliest so many classes; default: all of up to 10, 5 of more."},
    },
    "required": ["instances"],
}
_EXPLAIN_RESPONSE: _Schema = {
    "type": "object",
    "properties": {
        "explanations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "label": STRING,
                    "abstained": _ABSTAINED,
                    "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
                    "words": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "text": {"type": "string", "description": "As it was sent."},
                                "start": {"type": "integer", "description": "Its place, in code points."},
                                "contribution": {
                                    "type": "number",
                                    "description": "To the log-odds of the label; negative: against it.",
                                },
                            },
                            "required": ["text", "start", "contribution"],
                        },
                    },
                },
                "required": ["label", "probabilities", "words"],
            },
        }
    },
    "required": ["explanations"],
}
_STATUS_RESPONSE: _Schema = {
    "type": "object",
    "properties": {
        "model_version_status": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "version": STRING,
                    "state": {"enum": ["LOADING", "AVAILABLE", "UNLOADING", "END"]},
                    "status": {
                        "type": "object",
                        "properties": {"error_code": STRING, "error_message": STRING},
                    },
                },
                "required": ["version", "state", "status"],
            },
        }
    },
    "required": ["model_version_status"],
}
_METADATA_RESPONSE: _Schema = {
    "type": "object",
    "properties": {"model_spec": {"type": "object"}, "metadata": {"type": "object"}},
    "required": ["model_spec", "metadata"],
}
_WHO = {"type": "string", "minLength": 1, "maxLength": 100}
_GIVEN = {
    "type": "object",
    "properties": {
        "request": {"type": "string", "maxLength": 140, "description": "Id of the request, or ID/n for its text n."},
        "text": {"type": "string", "description": "May be left out where requests are kept with their texts."},
        "label": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Name of the class."},
        "by": {**_WHO, "description": "Who says so; the newest label of a person counts."},
        "at": {"type": "string", "format": "date-time", "description": "When; default: now."},
    },
    "required": ["label", "by"],
    "anyOf": [{"required": ["request"]}, {"required": ["text"]}],
    "additionalProperties": False,
}
_GIVEN_EXAMPLE = {"text": _HEADLINE, "label": "Business", "by": "ann"}
_FEEDBACK_BODY: _Schema = {
    "type": "object",
    "properties": {
        "labels": {"type": "array", "items": _GIVEN, "minItems": 1, "maxItems": 1000},
        "source": {"enum": ["api", "import", "queue"], "description": "`queue` where somebody was asked."},
    },
    "required": ["labels"],
    "additionalProperties": False,
}
_FEEDBACK_RESPONSE: _Schema = {
    "type": "object",
    "properties": {"kept": {"type": "array", "items": STRING, "description": "Ids of the labels."}},
    "required": ["kept"],
}
_QUEUE_BODY: _Schema = {
    "type": "object",
    "properties": {
        "by": {**_WHO, "description": "Who asks; nobody is asked twice."},
        "number": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        "skip": {"type": "array", "items": STRING, "maxItems": 1000, "description": "Rows to leave out."},
    },
    "required": ["by"],
    "additionalProperties": False,
}
_QUEUE_RESPONSE: _Schema = {
    "type": "object",
    "properties": {
        "classes": {"type": "array", "items": STRING},
        "waiting": {"type": "integer"},
        "texts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": STRING,
                    "text": STRING,
                    "answer": STRING,
                    "probability": {"type": "number"},
                    "why": {"enum": ["conflict", "random", "uncertain", "disagreement", "training"]},
                    "label": {**STRING, "description": "That which a training row has; empty for all others."},
                },
                "required": ["row", "text", "answer", "probability", "why"],
            },
        },
    },
    "required": ["classes", "waiting", "texts"],
}
_CARD_RESPONSE: _Schema = {
    "type": "object",
    "properties": {
        "name": STRING,
        "version": STRING,
        "accuracy": {"type": "number", "description": "Share of the official test split."},
        "classes": {"type": "array", "items": STRING},
        "pushed_at": {"type": "string", "format": "date-time"},
        "title": {**STRING, "description": "Of the corpus."},
        "about": {**STRING, "description": "What its texts are."},
        "text": {**STRING, "description": "What one of them is called."},
        "question": {**STRING, "description": "What the model answers."},
        "language": {**STRING, "description": "BCP 47 tag of the texts."},
        "examples": {"type": "array", "items": STRING, "description": "Texts to try."},
        "kept": {"type": "string", "description": "What is kept of requests, in a sentence."},
    },
    "required": [
        *("name", "version", "accuracy", "classes", "pushed_at"),
        *("title", "about", "text", "question", "language", "examples", "kept"),
    ],
}
_READY_RESPONSE: _Schema = {
    "type": "object",
    "properties": {
        "status": {"enum": ["ready", "stopping"]},
        "name": STRING,
        "version": STRING,
        "loading": {"type": ["string", "null"]},
        "broken": {"type": ["object", "null"]},
        "pointer_problem": {"type": ["string", "null"]},
        "waiting": {"type": "integer"},
    },
    "required": ["status", "name", "version"],
}
_HEALTH_RESPONSE: _Schema = {
    "type": "object",
    "properties": {"status": {"enum": ["alive", "broken"]}, "problems": {"type": "array", "items": STRING}},
    "required": ["status"],
}
_ERROR: _Schema = {"type": "object", "properties": {"error": STRING}, "required": ["error"]}

_PROBLEMS = {
    400: "The request is malformed, or the model cannot work on it.",
    403: "The server was started without a token, and takes no labels so.",
    404: "There is no such model or version.",
    408: "The body did not come in time.",
    413: "The body is too long, packed or unpacked.",
    415: "The body is packed in another way than by gzip.",
    422: "Too many texts, or a text is too long.",
    429: "Too much is waiting; Retry-After says how many seconds to stay away.",
    503: "Too many bytes or connections are under way; Retry-After says how many seconds to stay away.",
    504: "The request waited for too long, or the model does not come back.",
}
_LABELLING = (400, 403, 404, 408, 413, 415, 422, 503)
_ASKING = (400, 404, 408, 413, 415, 422, 429, 503, 504)
_TELLING = (400, 404)


def describe_operation(
    answer: _Schema,
    problems: tuple[int, ...] = (),
    body: _Schema | None = None,
    example: Mapping[str, Any] | None = None,
) -> Operation:
    """Describes a route that reads its body itself.

    Args:
        answer: Schema of a good answer.
        problems: Status codes of refusals.
        body: Schema of the body; None for a route that takes none.
        example: Of a body.

    Returns:
        Arguments for the route's decorator.
    """
    responses: dict[int | str, Any] = {
        200: {"description": "The answer.", "content": {"application/json": {"schema": dict(answer)}}}
    }
    for status in problems:
        content = {"application/json": {"schema": _ERROR}}
        responses[status] = {"description": _PROBLEMS[status], "content": content}
    extra: dict[str, Any] = {"responses": {str(status): each for status, each in responses.items()}}
    if body is not None:
        shown = dict(example or {"instances": [_HEADLINE]})
        content = {"application/json": {"schema": dict(body), "example": shown}}
        extra["requestBody"] = {"required": True, "content": content}
    return {"openapi_extra": extra}


PREDICT = describe_operation(_PREDICT_RESPONSE, _ASKING, _PREDICT_BODY)
EXPLAIN = describe_operation(_EXPLAIN_RESPONSE, _ASKING, _EXPLAIN_BODY)
STATUS = describe_operation(_STATUS_RESPONSE, _TELLING)
METADATA = describe_operation(_METADATA_RESPONSE, _TELLING)
FEEDBACK = describe_operation(_FEEDBACK_RESPONSE, _LABELLING, _FEEDBACK_BODY, {"labels": [_GIVEN_EXAMPLE]})
QUEUE = describe_operation(_QUEUE_RESPONSE, _LABELLING, _QUEUE_BODY, {"by": "ann"})
CARD = describe_operation(_CARD_RESPONSE, _TELLING)
HEALTH = describe_operation(_HEALTH_RESPONSE)
READY = describe_operation(_READY_RESPONSE)
READY["openapi_extra"]["responses"]["503"] = {
    "description": "The server is about to stop.",
    "content": {"application/json": {"schema": _READY_RESPONSE}},
}
HEALTH["openapi_extra"]["responses"]["503"] = {
    "description": "A part of the server ended or does not come back; start the process anew.",
    "content": {"application/json": {"schema": _HEALTH_RESPONSE}},
}
METRICS: Operation = {
    "openapi_extra": {
        "responses": {"200": {"description": "The counters.", "content": {"text/plain": {"schema": STRING}}}}
    }
}


def describe_token(app: FastAPI, open_paths: Collection[str]) -> None:
    """Says in the OpenAPI document which routes take a bearer token.

    Args:
        app: The application; its document is written now.
        open_paths: Those that need none.
    """
    document = app.openapi()
    document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        if path not in open_paths:
            for operation in operations.values():
                operation["security"] = [{"token": []}]
                operation["responses"]["401"] = {
                    "description": "The token is missing or wrong.",
                    "content": {"application/json": {"schema": _ERROR}},
                }


_TEMPLATE = Path(__file__).with_name("api_page.html")
_METHODS = ("get", "post")


def api_page(document: Mapping[str, Any], address: str, values: Mapping[str, str]) -> str:
    """Renders an OpenAPI document, with commands that can be typed as they stand.

    Args:
        document: The document.
        address: Where the server answers, without a slash at the end.
        values: For the parameters in paths.

    Returns:
        HTML.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(_TEMPLATE.read_text())
    rows = list(_rows(document, address, values))
    # Every second piece stood between backticks.
    pieces = [paragraph.split("`") for paragraph in document["info"]["description"].split("\n\n")]
    return template.render(title=document["info"]["title"], paragraphs=pieces, operations=rows)


def _rows(document: Mapping[str, Any], address: str, values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield {
                    "path": path,
                    "method": method.upper(),
                    "command": _command(f"{address}{path.format(**values)}", operations[method]),
                    **_details(operations[method]),
                }


def _command(url: str, operation: Mapping[str, Any]) -> str:
    words = ["curl"]
    if operation.get("security"):
        words += ["-H", "Authorization: Bearer TOKEN"]
    if "requestBody" in operation:
        words += ["-d", json.dumps(operation["requestBody"]["content"]["application/json"]["example"])]
    return shlex.join([*words, url])


def _details(operation: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answer = next(iter(operation["responses"]["200"]["content"].values()))
    return {
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "parameters": [(each["name"], each.get("description", "")) for each in operation.get("parameters", [])],
        "schema": json.dumps(body["schema"], indent=2) if "schema" in body else "",
        "answer": json.dumps(answer["schema"], indent=2),
        "responses": [(code, each["description"]) for code, each in sorted(operation["responses"].items())],
    }
