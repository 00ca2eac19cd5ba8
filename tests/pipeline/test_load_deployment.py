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
        ("extends: cpu\nnodes: {Trainer: {memory_limit: 4 GB}}", "nodes.Trainer.memory_limit: String should match"),
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
