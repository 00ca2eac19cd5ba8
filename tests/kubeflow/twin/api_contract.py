"""The published API of Kubeflow Pipelines, read from the generated client, and whether a document keeps to it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import kfp_server_api


@dataclass(frozen=True)
class Route:
    """An operation of the published API, read from the generated client."""

    method: str
    pattern: re.Pattern[str]
    name: str
    queries: frozenset[str]
    body: str | None
    answer: str | None
    upload: bool


def _routes() -> list[Route]:
    routes = []
    for cls in vars(kfp_server_api).values():
        if not (inspect.isclass(cls) and cls.__name__.endswith("ServiceApi")):
            continue
        for name, function in inspect.getmembers(cls, inspect.isfunction):
            if not name.endswith("_with_http_info"):
                continue
            source = inspect.getsource(function)
            path, method = re.search(r"call_api\(\s*'([^']+)', '([A-Z]+)'", source).groups()
            body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
            answer = re.search(r"response_type='([^']+)'", source)
            kind = re.search(rf":type {body.group(1)}: (\w+)", source).group(1) if body else None
            pattern = re.sub(r"\{([\w.]+)\}", lambda match: f"(?P<{match.group(1).replace('.', '_')}>[^/:]+)", path)
            queries = frozenset(re.findall(r"query_params\.append\(\('([\w.]+)'", source))
            routes.append(
                Route(
                    method,
                    re.compile(pattern),
                    name.removesuffix("_with_http_info"),
                    queries,
                    kind,
                    answer.group(1) if answer else None,
                    "local_var_files['uploadfile']" in source,
                )
            )
    return sorted(routes, key=lambda route: len(route.pattern.pattern), reverse=True)


ROUTES = _routes()


_NATIVES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "object": object,
}


def violations(value: object, kind: str, where: str) -> Iterator[str]:
    """Says where a JSON value is not what the OpenAPI document says."""
    if value is None:
        return
    if match := re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind):
        yield from _container_violations(value, *match.groups(), where)
    elif kind in _NATIVES:
        if not isinstance(value, _NATIVES[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
    elif kind == "datetime":
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", str(value)):
            yield f"{where}: {value!r} is no RFC 3339 time"
    else:
        yield from _model_violations(value, getattr(kfp_server_api.models, kind), where)


def _container_violations(value: object, item: str | None, entry: str | None, where: str) -> Iterator[str]:
    if not isinstance(value, list if item else dict):
        yield f"{where}: {value!r} is no {'list' if item else 'object'}"
        return
    for key, part in enumerate(value) if item else value.items():
        yield from violations(part, str(item or entry), f"{where}.{key}")


def _model_violations(value: object, model: Any, where: str) -> Iterator[str]:
    if hasattr(model, "allowable_values"):
        if value not in model.allowable_values:
            yield f"{where}: {value!r} is none of {model.allowable_values}"
        return
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    names = {json_key: key for key, json_key in model.attribute_map.items()}
    for key, item in value.items():
        if key in names:
            yield from violations(item, model.openapi_types[names[key]], f"{where}.{key}")
        else:
            yield f"{where}: unknown field {key}"
