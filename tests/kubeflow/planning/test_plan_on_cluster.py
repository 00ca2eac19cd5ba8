"""What the step Plan decides, on real data and a real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.kubeflow.compiler.compile_pipeline import model_choices
from agnews.kubeflow.execution.run_plan_step import run_plan_step
from agnews.kubeflow.planning.plan_on_cluster import ClusterPlan, plan_on_cluster
from agnews.kubeflow.planning.run_parameters import PLAN_OUTPUTS
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.node_settings import resolve_text, trainer_settings
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import LearntFrom


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "news"
    for name in ("2026-11-20/train.csv", "2026-11-21/train.csv", "test.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'"1","{name}","text"\n')
    return folder


@pytest.fixture
def values(tmp_path: Path, data: Path) -> dict[str, Any]:
    configs = {
        kind: config.model_dump(mode="json", exclude_none=True)
        for kind, config in model_choices(load_config("transformer")).items()
    }
    return {
        "data_uri": str(data),
        "push_uri": str(tmp_path / "models"),
        "corpus_uri": "",
        "corpus": packaged_corpus().canonical(),
        "model": "transformer",
        "epochs": 0.0,
        "force_promotion": False,
        "no_push": False,
        "configs": configs,
        "code": code_versions(),
        "scratch_uri": "/scratch",
    }


def push(values: dict[str, Any], plan: ClusterPlan, tmp_path: Path) -> str:
    """Puts what a run after this plan would make into production."""
    state = read_state(values["data_uri"], packaged_corpus())
    model = tmp_path / "model"
    model.mkdir(exist_ok=True)
    (model / "saved_model.pb").write_text(plan.outputs["fingerprint"])
    published = publish(
        ModelStore(values["push_uri"], "agnews"),
        model=str(model),
        extra_files={},
        judged_against=plan.outputs["production"],
        fingerprint=plan.outputs["fingerprint"],
        run_id="",
        accuracy=0.9,
        classes=packaged_corpus().class_names,
        learnt_from=LearntFrom(digest=state.digest, test_digest=state.test_digest, spans=state.span_digests),
    )
    return published.record.version


def test_a_corpus_of_its_own_has_to_be_one_that_the_compiled_settings_can_learn(
    values: dict[str, Any], tmp_path: Path
) -> None:
    description = tmp_path / "corpus.yaml"
    description.write_text("format: 1\nname: sets\nclasses: [a, b]\nlabel: {column: topics, separator: '|'}\n")
    with pytest.raises(AgnewsError, match="for texts of one class"):
        plan_on_cluster({**values, "corpus_uri": str(description), "model": "ensemble"})
    metric = {**values["configs"]["linear"], "evaluation": {"metric": "recall:World"}}
    with pytest.raises(AgnewsError, match="a class that the corpus does not have"):
        plan_on_cluster({**values, "corpus_uri": str(description), "model": "linear", "configs": {"linear": metric}})


def test_a_first_plan_finds_something_to_learn(values: dict[str, Any], data: Path) -> None:
    plan = plan_on_cluster(values)
    assert plan.outputs.keys() == PLAN_OUTPUTS.keys()
    assert plan.outputs["proceed"] is True
    assert plan.outputs["production"] == ""
    assert plan.outputs["data_digest"] == read_state(str(data), packaged_corpus()).digest
    assert "2 spans, 2026-11-20 to 2026-11-21" in plan.summary


def test_what_is_in_production_already_ends_the_run(values: dict[str, Any], tmp_path: Path) -> None:
    first = plan_on_cluster(values)
    version = push(values, first, tmp_path)
    again = plan_on_cluster(values)
    assert again.outputs == {**first.outputs, "proceed": False}
    assert again.summary.startswith(f"# Nothing is new since version {version} was pushed")
    # Forcing pushes a model that is there; it is no reason to make it again.
    assert plan_on_cluster({**values, "force_promotion": True}).outputs["proceed"] is False


def test_changed_data_changes_what_the_cache_goes_by(values: dict[str, Any], data: Path, tmp_path: Path) -> None:
    first = plan_on_cluster(values)
    version = push(values, first, tmp_path)
    (data / "2026-11-21" / "train.csv").write_text('"2","another","text"\n')
    plan = plan_on_cluster(values)
    assert plan.outputs["proceed"] is True
    assert plan.outputs["data_digest"] != first.outputs["data_digest"]
    assert plan.outputs["fingerprint"] != first.outputs["fingerprint"]
    assert plan.outputs["production"] == version
    assert "changed: 2026-11-21" in plan.summary


@pytest.mark.parametrize("kind", ["transformer", "linear", "bert_frozen", "bert_finetune", "ensemble"])
def test_the_kind_of_model_brings_its_settings(values: dict[str, Any], kind: str) -> None:
    outputs = plan_on_cluster({**values, "model": kind, "epochs": 7.0}).outputs
    config = load_config(kind, ["training.epochs=7"])
    text = resolve_text(config)
    code = code_versions()
    assert json.loads(outputs["trainer_settings"]) == json.loads(
        json.dumps(trainer_settings(config, text, "/scratch", code["Trainer"], packaged_corpus().only().canonical()))
    )
    transform = json.loads(outputs["transform_settings"])
    assert (transform["max_length"], transform["vocabulary"]) == (text.max_length, text.vocabulary)
    assert transform["code_version"] == code["Transform"]
    assert outputs["max_length"] == config.text.max_length


def test_epochs_of_nought_are_those_of_the_settings(values: dict[str, Any]) -> None:
    settings = json.loads(plan_on_cluster(values).outputs["trainer_settings"])
    assert settings["training"]["epochs"] == load_config("transformer").training.epochs


@pytest.mark.parametrize(
    ("change", "problem", "found"),
    [
        ({"model": "lstm"}, "compiled without this kind of model", "model = 'lstm'"),
        ({"epochs": -1}, "so many epochs", "-1"),
        ({"data_uri": "/nowhere"}, "The data folder does not exist", "/nowhere"),
    ],
)
def test_a_wrong_parameter_says_so(values: dict[str, Any], change: dict[str, Any], problem: str, found: str) -> None:
    with pytest.raises(AgnewsError, match=problem) as raised:
        plan_on_cluster({**values, **change})
    assert str(raised.value.found) == found


def test_an_image_with_other_code_is_an_error_before_anything_is_cached_under_a_wrong_digest(
    values: dict[str, Any],
) -> None:
    with pytest.raises(AgnewsError, match="The image holds other code") as raised:
        plan_on_cluster({**values, "code": {**code_versions(), "Trainer": "0" * 16}})
    assert raised.value.found == "another digest for Trainer"


def test_the_step_writes_parameters_and_a_page(values: dict[str, Any], tmp_path: Path) -> None:
    document = {
        "inputs": {"parameterValues": values},
        "outputs": {
            "artifacts": {"summary": {"artifacts": [{"name": "summary", "uri": str(tmp_path / "plan/summary")}]}},
            "outputFile": str(tmp_path / "plan" / "executor_output.json"),
        },
    }
    run_plan_step(document)
    written = json.loads((tmp_path / "plan" / "executor_output.json").read_text())
    assert written["parameterValues"] == plan_on_cluster(values).outputs
    (summary,) = written["artifacts"]["summary"]["artifacts"]
    assert summary["uri"] == f"{tmp_path}/plan/summary/plan.md"
    assert Path(summary["uri"]).read_text().startswith("# There is something to learn\n")
