"""What a training is given, and how a reader of another version is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agnews.components.training import training_job as module
from agnews.components.training.training_job import _file, _read_job, join_training, train_together
from agnews.pipeline.code_version import code_closures
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import TextConfig, TrainingConfig, parse_model_config
from agnews.schemas.training_job import TrainingJob

WORKER = '{"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}'


def job(folder: Path) -> TrainingJob:
    return TrainingJob(
        train_files=("train/*",),
        eval_files=("eval/*",),
        num_classes=4,
        text=TextConfig(vocabulary="minilm", lowercase=True),
        model=parse_model_config({"kind": "bert_frozen"}),
        training=TrainingConfig(epochs=3),
        scratch_uri=str(folder),
    )


def test_a_worker_reads_what_the_chief_wrote(tmp_path: Path) -> None:
    written = job(tmp_path)
    Path(_file(str(tmp_path), "0a1b")).write_text(written.model_dump_json())
    read = _read_job(_file(str(tmp_path), "0a1b"))
    assert read == written
    assert read.model.kind == "bert_frozen"
    with pytest.raises(AgnewsError, match="not where this process looks"):
        _read_job(_file(str(tmp_path), "other"))


def test_a_job_of_another_format_is_refused_with_words(tmp_path: Path) -> None:
    tree = json.loads(job(tmp_path).model_dump_json())
    file = tmp_path / "training_job-1.json"
    file.write_text(json.dumps({**tree, "format": 2}))
    with pytest.raises(AgnewsError, match="no training job that this version") as caught:
        _read_job(str(file))
    assert "format" in str(caught.value.found)
    file.write_text(json.dumps(tree | {"training": {"epochs": 0}}))
    with pytest.raises(AgnewsError) as caught:
        _read_job(str(file))
    assert "training.epochs" in str(caught.value.found)


def test_what_a_killed_chief_has_left_is_taken_by_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", WORKER)
    (tmp_path / "training_job-1.json").write_text(job(tmp_path).model_dump_json())
    (tmp_path / "training_job.json").write_text(job(tmp_path).model_dump_json())
    with pytest.raises(AgnewsError, match="No chief has begun a training"):
        join_training(str(tmp_path), patience_seconds=0.5)


def test_a_chief_removes_what_a_killed_one_of_the_same_training_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", WORKER.replace('"index": 1', '"index": 0'))
    monkeypatch.setattr(module, "receive_workers", lambda *given, **named: None)
    seen: list[set[str]] = []

    def train(job: TrainingJob) -> None:
        seen.append({path.name for path in tmp_path.iterdir()})

    monkeypatch.setattr(module, "train_classifier", train)
    given = job(tmp_path)
    train_together(given.model_copy(update={"log_dir": "first"}), start_minutes=1.0)
    ((left,),) = seen
    assert not list(tmp_path.iterdir())
    # Killed, it would have left its file; another training's chief is at work.
    (tmp_path / left).touch()
    other = given.model_copy(update={"num_classes": 5})
    train_together(other, start_minutes=1.0)
    assert left in seen[1]
    train_together(given.model_copy(update={"log_dir": "second"}), start_minutes=1.0)
    assert len(seen[2]) == 1
    assert left not in seen[2]
    assert not list(tmp_path.iterdir())


def test_a_setting_of_data_or_evaluation_makes_no_model_train_again() -> None:
    seen = code_closures()["Trainer"]
    assert "agnews.schemas.learning_config" in seen
    assert "agnews.schemas.run_config" not in seen
