"""Deployment tables: profiles, tables of one's own, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment, profile_names
from agnews.schemas.errors import AgnewsError


def test_profiles_are_tables_and_their_settings_are_ones_of_the_run() -> None:
    assert profile_names() == ["cpu", "gpu", "multigpu"]
    for name in profile_names():
        load_config("transformer", load_deployment(name).settings)
    assert load_config("transformer", load_deployment("gpu").settings).devices.accelerator == "gpu"
    assert load_config("transformer", load_deployment("multigpu").settings).devices.strategy == "mirrored"


def test_a_table_of_ones_own_extends_a_profile_or_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(
        "extends: gpu\nimage: registry.example/agnews:1\ndefaults:\n  volumes: [{path: /mnt, claim: news}]\n"
    )
    (tmp_path / "mine.yaml").write_text("extends: ./team.yaml\nnodes:\n  Trainer:\n    memory_limit: 48Gi\n")
    deployment = load_deployment(str(tmp_path / "mine.yaml"))
    assert deployment.image == "registry.example/agnews:1"
    trainer = deployment.row("Trainer")
    assert trainer.memory_limit == "48Gi"
    assert trainer.accelerator is not None
    assert trainer.volumes is not None
    assert trainer.volumes[0].claim == "news"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("extends: cpu\nnodes: {Trainer: {cpus: 4}}", "nodes.Trainer.cpus: Extra inputs are not permitted"),
        ("extends: cpu\nnodes: {Trainer: {memory_limit: 4 GB}}", "nodes.Trainer.memory_limit: 4 GB is no amount"),
        ("extends: cpu\nnodes: {Evaluator: {accelerator: {count: 1}}}", "only the Trainer uses accelerators"),
        ("extends: cpu\ndefaults: {accelerator: {count: 1}}", "only the Trainer uses accelerators, not defaults"),
        ("defaults: {cpu_limit: '1'}\nnodes: {}", "defaults has no cpu_request, memory_request, memory_limit"),
        (
            "extends: cpu\ndefaults: {volumes: [{path: /a, claim: b, secret: c}]}",
            "exactly one of claim, secret, config_map and scratch, not 2",
        ),
        ("extends: cpu\ndefaults: {volumes: [{path: a, claim: b}]}", "defaults.volumes.0.path"),
        ("extends: cpu\ndefaults: {secret_env: {A: {secret: S_S, key: k}}}", "defaults.secret_env.A.secret"),
        ("- 1", "list"),
        ("extends: cpu\ntrainer: {workers: true}", "trainer.workers: Input should be a number, and not true or false"),
        ("extends: cpuu", "cpuu"),
        ("a: [", "while parsing"),
        ("extends: ./table.yaml", "table.yaml"),
    ],
)
def test_a_wrong_table_says_where(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "table.yaml").write_text(text)
    with pytest.raises(AgnewsError) as raised:
        load_deployment(str(tmp_path / "table.yaml"))
    assert found in str(raised.value.found)
    assert raised.value.fix


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="There is no such deployment table"):
        load_deployment(str(tmp_path / "table.yaml"))
    with pytest.raises(AgnewsError, match="There is no profile of this name") as raised:
        load_deployment("gpus")
    assert "Did you mean 'gpu'?" in str(raised.value.fix)


LONG = "a" * 64


@pytest.mark.parametrize(
    "row",
    [
        "tolerations: [{key: gpu, operator: Exists, value: a100}]",
        "tolerations: [{key: gpu, operator: Equal}]",
        "tolerations: [{key: 'a b'}]",
        "tolerations: [{key: gpu, value: 'a b'}]",
        "tolerations: [{key: gpu, effect: Never}]",
        "volumes: [{path: /mnt, claim: news.data}]",
        f"volumes: [{{path: /mnt, claim: {LONG}}}]",
        "volumes: [{path: /mnt, claim: News}]",
        "volumes: [{path: /mnt, claim: -news}]",
        "volumes: [{path: /mnt, secret: a.b}]",
        "volumes: [{path: /mnt, config_map: a_b}]",
        "volumes: [{path: /a, claim: news}, {path: /b, secret: news}]",
        "volumes: [{path: /a, claim: news}, {path: /b, claim: news}]",
        "volumes: [{path: /mnt, claim: a}, {path: /mnt, claim: b}]",
        "volumes: [{path: /mnt, claim: a}, {path: /mnt/, claim: b}]",
        "volumes: [{path: /mnt, claim: a, sub_path: /b}]",
        "volumes: [{path: /mnt, claim: a, sub_path: b/../../c}]",
        "volumes: [{path: /mnt, secret: a, sub_path: b}]",
        "volumes: [{path: '/mnt:ro', claim: a}]",
        "volumes: [{path: /, claim: a}]",
        "volumes: [{path: /mnt, claim: a, in_memory: true}]",
        "volumes: [{path: /mnt, scratch: '16'}]",
        "node_selector: {'a b': c}",
        "node_selector: {a/b/c: d}",
        f"node_selector: {{a: {LONG}}}",
        "node_selector: {a: -b}",
        "{env: {A: b}, secret_env: {A: {secret: s, key: k}}}",
        "env: {1A: b}",
        "env: {A: '{{workflow.name}}'}",
        "secret_env: {A: {secret: s, key: a/b}}",
        "secret_env: {A: {secret: S, key: b}}",
        "memory_limit: '16'",
        "memory_limit: 16",
        "memory_limit: 1Mi",
        "memory_limit: 4GB",
        "cpu_limit: '0'",
        "cpu_request: '0.0001'",
        "cpu_limit: 2 cores",
        "accelerator: {type: gpu}",
        "timeout_minutes: 0",
        "retry_policy: Never",
        "run_as_user: -1",
    ],
)
def test_what_kubernetes_refuses_or_ignores_is_refused_before(tmp_path: Path, row: str) -> None:
    body = row if row.startswith("{") else f"{{{row}}}"
    (tmp_path / "table.yaml").write_text(f"extends: cpu\nnodes: {{Trainer: {body}}}\n")
    with pytest.raises(AgnewsError, match=r"table\.yaml cannot be used"):
        load_deployment(str(tmp_path / "table.yaml"))


@pytest.mark.parametrize(
    "image", ["AGNEWS:1", "agnews:1.0+cu12", '"agnews:1\\n"', "agnews", "agnews:latest", "agnews@sha256:12", "a b:1"]
)
def test_an_image_that_no_registry_has_is_refused(tmp_path: Path, image: str) -> None:
    (tmp_path / "table.yaml").write_text(f"extends: cpu\nimage: {image}\n")
    with pytest.raises(AgnewsError, match="cannot be used") as raised:
        load_deployment(str(tmp_path / "table.yaml"))
    assert "image" in str(raised.value.found)


def test_what_a_row_inherits_counts_for_it_too(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(
        "extends: cpu\ndefaults: {env: {A: b}}\nnodes: {Trainer: {secret_env: {A: {secret: s, key: k}}}}\n"
    )
    with pytest.raises(AgnewsError) as raised:
        load_deployment(str(tmp_path / "table.yaml"))
    assert "Trainer, with what it inherits: A stands under env and under secret_env" in str(raised.value.found)


def test_a_toleration_with_a_value_compares_it(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(
        "extends: cpu\nnodes: {Trainer: {tolerations: [{key: gpu, value: a100}, {key: b}], cpu_limit: 8}}\n"
    )
    trainer = load_deployment(str(tmp_path / "table.yaml")).row("Trainer")
    assert trainer.tolerations is not None
    assert [(each.operator, each.value) for each in trainer.tolerations] == [("Equal", "a100"), ("Exists", None)]
    assert trainer.cpu_limit == "8"
