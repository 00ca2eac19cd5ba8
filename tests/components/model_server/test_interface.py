"""The described interface, asked for all that fits its description and much that does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]


def ask(operation: Any, mode: GenerationMode, *, examples: int, **path: str) -> set[int]:
    """Asks again and again, checks every answer against the description, and returns the status codes."""
    statuses = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def try_one(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **path}
        answer = case.call()
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)
        statuses.add(answer.status_code)

    try_one()
    return statuses


@pytest.fixture(scope="module")
def operations(shared_server: Any) -> dict[str, Any]:
    interface = schemathesis.openapi.from_url(f"{shared_server.url}/openapi.json")
    found = [each.ok() for each in interface.get_all_operations()]
    return {f"{each.method.upper()} {each.path}": each for each in found}


def test_whatever_is_asked_the_answer_is_one_that_the_description_promises(operations: dict[str, Any]) -> None:
    assert len(operations) == 22
    for operation in operations.values():
        ask(operation, GenerationMode.POSITIVE, examples=15)


def test_what_fits_the_description_is_predicted_and_what_does_not_is_refused(
    shared_server: Any, operations: dict[str, Any]
) -> None:
    version = shared_server.state.host.version
    for path in ("POST /v1/models/{name}:predict", "POST /v1/models/{name}/versions/{version}:predict"):
        fitting = ask(operations[path], GenerationMode.POSITIVE, examples=60, name="agnews", version=version)
        assert 200 in fitting
        others = ask(operations[path], GenerationMode.NEGATIVE, examples=60, name="agnews", version=version)
        assert 400 in others
