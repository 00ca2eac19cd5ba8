from __future__ import annotations

import json

import pytest

from agnews.components.training.devices import TfConfig, read_tf_config
from agnews.schemas.errors import AgnewsError

CLUSTER = {"worker": ["one:1", "two:1"]}


def read(document: object) -> TfConfig | None:
    return read_tf_config({"TF_CONFIG": document if isinstance(document, str) else json.dumps(document)})


def test_nothing_set_is_no_cluster() -> None:
    assert read_tf_config({}) is None
    assert read("") is None
    assert read({}) is None


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "expected"),
    [
        (CLUSTER, "worker", 0, TfConfig(2, is_chief=True)),
        (CLUSTER, "worker", 1, TfConfig(2, is_chief=False)),
        ({"chief": ["zero:1"], **CLUSTER}, "chief", 0, TfConfig(3, is_chief=True)),
        ({"chief": ["zero:1"], **CLUSTER}, "worker", 0, TfConfig(3, is_chief=False)),
    ],
)
def test_the_chief_is_the_one_so_called_or_the_first_worker(
    cluster: dict[str, list[str]], kind: str, index: int, expected: TfConfig
) -> None:
    assert read({"cluster": cluster, "task": {"type": kind, "index": index}}) == expected


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "no JSON"),
        ([1], "cluster"),
        ({"cluster": CLUSTER}, "task"),
        ({"cluster": {"worker": "one:1"}, "task": {"type": "worker", "index": 0}}, "HOST:PORT"),
        ({"cluster": {"worker": ["one"]}, "task": {"type": "worker", "index": 0}}, "HOST:PORT"),
        ({"cluster": {"worker": ["one:1", "one:1"]}, "task": {"type": "worker", "index": 0}}, "same address"),
        ({"cluster": {**CLUSTER, "ps": ["three:1"]}, "task": {"type": "worker", "index": 0}}, "cluster.ps"),
        ({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}, "task.type chief"),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}, "task.index 2"),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": "0"}}, "task.index"),
    ],
)
def test_what_is_malformed_is_named_and_shown(document: object, reason: str) -> None:
    with pytest.raises(AgnewsError, match=reason) as caught:
        read(document)

    assert "TF_CONFIG" in caught.value.problem
    assert '"cluster"' in caught.value.fix
