"""The description of the interface as a page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

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
