"""A step that has its work done in pods, over HTTP, by a cluster whose pods are processes of this machine."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pod_twin.cluster import FakeCluster

from agnews.components.storage.local_files import LocalFiles
from agnews.kubeflow.worker_pods import train_on_pods as module
from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.train_on_pods import train_on_pods
from agnews.schemas.errors import AgnewsError
from agnews.schemas.trainer_task import TrainerTask

POD = {
    "restartPolicy": "Never",
    "containers": [{"name": "trainer", "image": "i", "resources": {}, "env": [], "volumeMounts": []}],
}
CONTRACT = PodContract(
    prefix="toy", workers=2, kind="jobset", max_restarts=2, start_minutes=1.0, grace_seconds=5, pod=POD
)
SCRIPT = """
import json, os, pathlib, posixpath, sys, time
sys.path.insert(0, {here!r})
index, task = int(os.environ["JOB_COMPLETION_INDEX"]), json.loads(pathlib.Path(sys.argv[1]).read_text())
folder = pathlib.Path(sys.argv[1]).parent
tries = folder / f"tries-{{index}}"
tries.write_text(str(int(tries.read_text()) + 1 if tries.exists() else 1))
count = int(tries.read_text())
def report(problem, code):
    line = {{"problem": problem, "found": "x", "fix": "y", "exit_code": code}}
    print("AGNEWS-REPORT " + json.dumps(line), flush=True)
    (folder / f"said-{{index}}-{{count}}").touch()
    sys.exit(code)
def wait_for_word_of(other):
    while not (folder / f"said-{{other}}-{{count}}").exists():
        time.sleep(0.02)
def finish():
    if index == 0:
        from agnews.kubeflow.worker_pods.exchange import Exchange
        for place in ("model_uri", "record_uri"):
            path = pathlib.Path(task[place])
            path.mkdir(parents=True, exist_ok=True)
            (path / "it").write_text(pathlib.Path(task["transform_uri"], "graph").read_text())
        Exchange(str(folder)).finish()
print(f"pod {{index}} try {{count}}", flush=True)
{body}
"""


@pytest.fixture
def task(tmp_path: Path) -> TrainerTask:
    for name in ("train", "eval", "graph"):
        (tmp_path / "in" / name).mkdir(parents=True)
    (tmp_path / "in" / "train" / "rows.gz").write_text("rows")
    (tmp_path / "in" / "eval" / "rows.gz").write_text("other rows")
    (tmp_path / "in" / "graph" / "graph").write_text("how to cut")
    settings = {"model": {"kind": "transformer"}, "devices": {}, "scratch_uri": str(tmp_path / "shared")}
    return TrainerTask(
        train_files=(str(tmp_path / "in" / "train" / "*"),),
        eval_files=(str(tmp_path / "in" / "eval" / "*"),),
        transform_uri=str(tmp_path / "in" / "graph"),
        model_uri=str(tmp_path / "out" / "model" / "Format-Serving"),
        record_uri=str(tmp_path / "out" / "record"),
        settings=settings,
    )


Start = Callable[..., FakeCluster]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a cluster whose pods run a few lines of Python."""
    started: list[FakeCluster] = []
    monkeypatch.setattr(module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr("agnews.kubeflow.worker_pods.cluster.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("agnews.kubeflow.worker_pods.follow_lines.AGAIN_SECONDS", 0.1)

    def start(body: str, **options: bool) -> FakeCluster:
        script = tmp_path / "pod.py"
        script.write_text(SCRIPT.format(here=str(tmp_path), body=textwrap.dedent(body)))
        made = FakeCluster(tmp_path, [sys.executable, str(script)], **options).__enter__()
        started.append(made)
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(made.kubeconfig()))
        return made

    yield start
    for each in started:
        each.__exit__()


def test_rows_go_out_and_the_model_comes_back(
    task: TrainerTask, cluster: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    twin = cluster("finish()")
    train_on_pods(task, CONTRACT)
    assert Path(task.model_uri, "it").read_text() == "how to cut"
    assert Path(task.record_uri, "it").read_text() == "how to cut"
    assert len(twin.made) == 1
    assert twin.sets == {}, "nothing is left behind"
    assert not list((tmp_path / "shared" / "worker_pods").iterdir())
    assert "pod 0 try 1" in capfd.readouterr().err, "the log of the chief is that of the step"


def test_what_cannot_be_removed_behind_a_training_is_told_and_fails_nothing(
    task: TrainerTask, cluster: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def remove(self: LocalFiles, folder: str) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty", folder)

    twin = cluster("finish()")
    twin.forbidden.add("DELETE jobsets")
    monkeypatch.setattr(LocalFiles, "remove", remove)
    train_on_pods(task, CONTRACT)
    assert Path(task.model_uri, "it").is_file()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("JobSet toy-" in line and "cannot DELETE jobsets" in line for line in told)
    assert any("Directory not empty" in line for line in told)


def test_pods_that_never_begin_are_the_reason_although_they_cannot_be_removed(
    task: TrainerTask, cluster: Start
) -> None:
    twin = cluster("finish()", can_pull=False)
    twin.forbidden.add("DELETE jobsets")
    with pytest.raises(AgnewsError, match="began within"):
        train_on_pods(task, CONTRACT.model_copy(update={"start_minutes": 0.01}))


def test_a_refusal_whose_line_was_cut_does_not_end_the_log(
    task: TrainerTask, cluster: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster("print('AGNEWS-REPORT {\"problem', flush=True)\nprint('and on', flush=True)\nfinish()")
    train_on_pods(task, CONTRACT)
    assert "and on" in capfd.readouterr().err


def test_a_log_goes_on_where_its_stream_was_cut(
    task: TrainerTask, cluster: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    twin = cluster(
        """
        time.sleep(2)
        if index == 0:
            print("epoch 2", flush=True)
            report('The disk is full.', 1)
        time.sleep(60)
        """
    )
    twin.cut_streams = 2
    with pytest.raises(AgnewsError, match="The disk is full"):
        train_on_pods(task, CONTRACT.model_copy(update={"max_restarts": 0}))
    assert twin.cut_streams == 0
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if line in ("pod 0 try 1", "epoch 2")] == ["pod 0 try 1", "epoch 2"]
    assert not any("half of" in line for line in lines)


def test_a_pod_that_fails_is_started_again_with_all_others(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("sys.exit(1) if index == 1 and count == 1 else finish()")
    train_on_pods(task, CONTRACT)
    assert Path(task.model_uri, "it").is_file()
    assert len(twin.made) == 1


def test_what_a_worker_said_last_is_kept_although_its_pod_is_gone(
    task: TrainerTask, cluster: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster(
        """
        if index == 0:
            wait_for_word_of(1)
            report('Another process of this training went away.', 1)
        time.sleep(0.5)
        report('No memory.', 1)
        """
    )
    with pytest.raises(AgnewsError, match="No memory") as caught:
        train_on_pods(task, CONTRACT.model_copy(update={"max_restarts": 1}))
    assert caught.value.exit_code == 1
    assert "pod 1 try" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("report('The disk is full.', 1) if index == 0 else time.sleep(60)", "The disk is full"),
        ("os.kill(os.getpid(), signal.SIGKILL) if index == 0 else time.sleep(60)", r"ended with 137 \(Error\)"),
    ],
)
def test_the_reason_is_that_of_the_last_start(task: TrainerTask, cluster: Start, then: str, said: str) -> None:
    cluster(
        f"""
        import signal
        time.sleep(0.5)
        if count == 1:
            report('No memory.', 1) if index == 1 else time.sleep(60)
        {then}
        """
    )
    with pytest.raises(AgnewsError, match=said):
        train_on_pods(task, CONTRACT.model_copy(update={"max_restarts": 1}))


def test_where_the_last_start_says_nothing_the_one_before_is_named_as_such(
    task: TrainerTask, cluster: Start, tmp_path: Path
) -> None:
    twin = cluster("time.sleep(0.5)\nreport('No memory.', 1) if index == 1 else time.sleep(60)")
    twin.restarted = lambda: setattr(twin, "can_pull", False)
    timer = threading.Timer(3.0, twin.fail_all)
    timer.start()
    with pytest.raises(AgnewsError, match="none has said why") as caught:
        train_on_pods(task, CONTRACT)
    timer.join()
    assert str(caught.value.found).endswith("an earlier start failed so: No memory.")


def test_what_would_fail_again_is_not_started_again(task: TrainerTask, cluster: Start, tmp_path: Path) -> None:
    cluster("report('These rows cannot be learnt from.', 2) if index == 0 else time.sleep(60)")
    with pytest.raises(AgnewsError, match="cannot be learnt from") as caught:
        train_on_pods(task, CONTRACT)
    assert caught.value.exit_code == 2
    assert {path.read_text() for path in tmp_path.glob("shared/worker_pods/*/*/tries-0")} == {"1"}


def step(tmp_path: Path, task: TrainerTask, config: Path) -> subprocess.Popen[bytes]:
    code = (
        "import sys, json, logging; logging.basicConfig(level=logging.INFO)\n"
        "from agnews.kubeflow.worker_pods.train_on_pods import train_on_pods\n"
        "from agnews.kubeflow.worker_pods.pod_contract import PodContract\n"
        "from agnews.schemas.trainer_task import TrainerTask\n"
        "given = zip((TrainerTask, PodContract), sys.argv[1:])\n"
        "train_on_pods(*[kind.model_validate_json(text) for kind, text in given])"
    )
    line = [sys.executable, "-c", code, task.model_dump_json(), CONTRACT.model_dump_json()]
    return subprocess.Popen(line, env={**os.environ, "KUBECONFIG": str(config)})


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_pods_go_within_a_second_when_their_step_is_told_to(task: TrainerTask, cluster: Start, tmp_path: Path) -> None:
    twin = cluster("time.sleep(60)")
    process = step(tmp_path, task, twin.kubeconfig())
    try:
        wait_for(lambda: len(twin.pods) == 2)
        time.sleep(1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: bool(twin.deleted))
        assert time.monotonic() - began < 2.0
        assert process.wait(10) == 143
    finally:
        process.kill()
        process.wait()


def test_a_step_that_is_tried_again_goes_on_with_the_pods_of_the_first_try(
    task: TrainerTask, cluster: Start, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    twin = cluster(f"\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)\nfinish()")
    process = step(tmp_path, task, twin.kubeconfig())
    wait_for(lambda: len(twin.pods) == 2)
    process.kill()
    process.wait()
    go.write_text("")
    train_on_pods(task, CONTRACT)
    assert len(twin.made) == 1
    assert Path(task.model_uri, "it").is_file()


def test_inputs_are_read_once_by_each_try(
    task: TrainerTask, cluster: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    read = LocalFiles.read

    def counted(self: LocalFiles, path: str) -> Iterator[bytes]:
        reads[path] += 1
        return read(self, path)

    monkeypatch.setattr(LocalFiles, "read", counted)
    cluster("report('No memory.', 2)")
    for number in (1, 2):
        with pytest.raises(AgnewsError, match="No memory"):
            train_on_pods(task, CONTRACT)
        found = [count for path, count in reads.items() if path.startswith(str(tmp_path / "in"))]
        assert found == [number] * 3
    assert {path.name for path in tmp_path.glob("shared/worker_pods/*/inputs/*/*")} == {"rows.gz", "graph"}


def test_what_nobody_came_back_for_is_removed(task: TrainerTask, cluster: Start, tmp_path: Path) -> None:
    cluster("report('No memory.', 2)")
    left = tmp_path / "shared" / "worker_pods"
    for name, days in (("old", 31), ("young", 29)):
        (left / name / "inputs").mkdir(parents=True)
        for file in ("rows.gz", "handover.json"):
            path = left / name / "inputs" / file
            path.write_text("{}")
            os.utime(path, (time.time() - 86_400 * days,) * 2)
    with pytest.raises(AgnewsError, match="No memory"):
        train_on_pods(task, CONTRACT)
    assert not (left / "old").exists()
    assert (left / "young" / "inputs" / "rows.gz").is_file()


def test_rows_that_share_a_folder_are_copied_once(task: TrainerTask, cluster: Start, tmp_path: Path) -> None:
    cluster("report('No memory.', 2)")
    folder = str(tmp_path / "in" / "train")
    shared = task.model_copy(update={"train_files": (f"{folder}/a*", f"{folder}/b*"), "eval_files": (f"{folder}/c*",)})
    with pytest.raises(AgnewsError, match="No memory"):
        train_on_pods(shared, CONTRACT)
    assert len(list(tmp_path.glob("shared/worker_pods/*/inputs/*/rows.gz"))) == 1


@pytest.mark.parametrize("rows", ["more rows", "wors"], ids=["longer", "as long"])
def test_other_rows_are_another_training(task: TrainerTask, cluster: Start, tmp_path: Path, rows: str) -> None:
    twin = cluster("finish()")
    train_on_pods(task, CONTRACT)
    (tmp_path / "in" / "train" / "rows.gz").write_text(rows)
    train_on_pods(task, CONTRACT)
    first, second = (made["metadata"]["name"] for made in twin.made)
    assert first != second


def test_a_model_that_was_changed_on_its_way_is_not_taken(task: TrainerTask, cluster: Start) -> None:
    cluster("\nfinish()\nif index == 0: pathlib.Path(task['model_uri'], 'it').write_text('something else')")
    with pytest.raises(AgnewsError, match="not the one that the chief has written"):
        train_on_pods(task, CONTRACT)


def test_pods_that_never_begin_end_the_step_with_the_reason(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("finish()", can_pull=False)
    with pytest.raises(AgnewsError, match="began within") as caught:
        train_on_pods(task, CONTRACT.model_copy(update={"start_minutes": 0.01}))
    assert "ImagePullBackOff: no such image" in str(caught.value.found)
    assert twin.sets == {}


def test_what_the_step_may_not_do_is_named(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("finish()")
    twin.forbidden.add("POST jobsets")
    with pytest.raises(AgnewsError, match="does not let the Trainer create jobsets") as caught:
        train_on_pods(task, CONTRACT)
    assert "worker-pods.yaml" in caught.value.fix


def test_an_api_server_that_is_away_for_a_moment_is_asked_again(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("\ntime.sleep(1)\nfinish()")
    timer = threading.Timer(0.5, lambda: setattr(twin, "fail_next", 6))
    timer.start()
    train_on_pods(task, CONTRACT)
    timer.join()
    assert Path(task.model_uri, "it").is_file()


@pytest.mark.parametrize("troubles", [[503, 429, 500], ["cut", 502], ["lost"]])
@pytest.mark.parametrize("verb", ["POST", "DELETE"])
def test_what_is_made_and_removed_is_asked_for_again_where_no_answer_comes(
    task: TrainerTask, cluster: Start, verb: str, troubles: list[int | str], caplog: pytest.LogCaptureFixture
) -> None:
    twin = cluster("finish()")
    twin.troubles[f"{verb} jobsets"] = troubles
    train_on_pods(task, CONTRACT)
    assert Path(task.model_uri, "it").is_file()
    assert len(twin.made) == 1, "an answer that was lost is no reason for a second set"
    assert len(twin.deleted) == 1
    assert twin.troubles[f"{verb} jobsets"] == []
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_failed_set_of_an_earlier_try_is_made_anew_although_the_server_stumbles(
    task: TrainerTask, cluster: Start, tmp_path: Path
) -> None:
    twin = cluster(f"finish() if pathlib.Path({str(tmp_path / 'go')!r}).exists() else report('No memory.', 2)")
    with pytest.raises(AgnewsError, match="No memory"):
        train_on_pods(task, CONTRACT)
    (tmp_path / "go").touch()
    assert len(twin.sets) == 1
    twin.troubles["DELETE jobsets"] = [503] * 10
    train_on_pods(task, CONTRACT)
    assert len(twin.made) == 2


@pytest.mark.parametrize("what", ["jobsets", "pods"])
def test_a_refusal_is_not_taken_for_a_server_that_is_away(
    task: TrainerTask, cluster: Start, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_POD_UID", "00000000-0000-4000-8000-000000000001")
    twin = cluster("time.sleep(20)")
    twin.troubles[f"GET {what}"] = [400]
    with pytest.raises(AgnewsError, match=f"does not let the Trainer (get|list) {what}") as caught:
        train_on_pods(task, CONTRACT)
    assert "400: " in str(caught.value.found)


def test_who_may_not_look_at_pods_is_told_at_once(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("finish()")
    twin.forbidden.add("GET pods")
    with pytest.raises(AgnewsError, match="does not let the Trainer list pods"):
        train_on_pods(task, CONTRACT)


def test_a_model_that_one_process_trains_asks_for_one_pod(task: TrainerTask, cluster: Start) -> None:
    twin = cluster("finish()")
    settings = {**task.settings, "model": {"kind": "linear"}}
    train_on_pods(task.model_copy(update={"settings": settings}), CONTRACT)
    (made,) = twin.made
    assert made["spec"]["replicatedJobs"][0]["template"]["spec"]["completions"] == 1
    assert json.dumps(made)
