"""The description of the interface as a page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATE = Path(__file__).with_name("api_page.html")
_METHODS = ("get", "post")


def api_page(document: Mapping[str, Any]) -> str:
    """Renders an OpenAPI document.

    Args:
        document: The document.

    Returns:
        HTML.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE.read_text()).render(
        info=document["info"], operations=list(_rows(document))
    )


def _rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield _row(path, method, operations[method])


def _row(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {
        "path": path,
        "method": method.upper(),
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "parameters": [(each["name"], each.get("description", "")) for each in operation.get("parameters", [])],
        "example": json.dumps(content["example"]) if "example" in content else "",
        "schema": json.dumps(content["schema"], indent=2) if "schema" in content else "",
        "responses": [(code, each["description"]) for code, each in sorted(operation["responses"].items())],
        "answer": json.dumps(_answer_schema(operation), indent=2),
    }


def _answer_schema(operation: Mapping[str, Any]) -> Any:
    content = operation["responses"]["200"].get("content", {})
    return next((each.get("schema") for each in content.values()), None)
