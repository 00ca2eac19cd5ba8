"""A study without a model: what is kept, what starts again, what is refused. Killed processes are real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from agnews.components.tuning.read_search_space import Dimension, Setting
from agnews.components.tuning.trial_study import OnEpoch, TrialFailed, TrialOutcome, TrialRecord, TrialStudy
from agnews.schemas.errors import AgnewsError

SPACE = {
    "rate": Dimension(low=1e-4, high=1e-1, log=True),
    "width": Dimension(values=(8, 16, 32)),
    "layers": Dimension(low=1, high=3),
}
START = {"rate": 0.0123456, "width": 16, "layers": 2}


class Silent:
    def trial_started(self, number: int, settings: Mapping[str, Setting]) -> None: ...

    def trial_ended(self, record: TrialRecord) -> None: ...


def study(file: Path, **changed: object) -> TrialStudy:
    arguments = {"space": SPACE, "start": START, "facts": {"data": {"digest": "1"}}, "seed": 1}
    return TrialStudy(file, **{**arguments, **changed})  # type: ignore[arg-type]


def bowl(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
    found = {**START, **settings}
    loss = abs(float(found["rate"]) - 0.01) * 10 + abs(int(found["width"]) - 32) / 32 + int(found["layers"]) / 10
    for epoch in (1, 2, 3):
        on_epoch(epoch, {"val_loss": loss + 1.0 / epoch})
    return TrialOutcome(loss, 0.5, 3)


def tried(records: list[TrialRecord]) -> list[tuple[str, Mapping[str, Setting], float | None]]:
    return [(record.state, record.settings, record.loss) for record in records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[TrialRecord]:
    """Twelve trials in one go."""
    made = study(tmp_path_factory.mktemp("whole") / "study.sqlite")
    made.run(bowl, trials=12, listener=Silent())
    return made.records()


def test_the_first_trial_is_the_configuration_and_later_ones_lie_in_the_space(whole: list[TrialRecord]) -> None:
    assert [record.number for record in whole] == list(range(12))
    assert whole[0].settings == START
    for record in whole[1:]:
        assert 1e-4 <= float(record.settings["rate"] or 0) <= 1e-1
        assert record.settings["width"] in (8, 16, 32)
        assert record.settings["layers"] in (1, 2, 3)
    assert len({str(record.settings) for record in whole}) > 6


def test_trials_that_are_behind_are_stopped_early(whole: list[TrialRecord]) -> None:
    pruned = [record for record in whole if record.state == "pruned"]
    assert pruned
    assert min(record.loss for record in whole if record.state == "complete") < min(r.loss for r in pruned)  # type: ignore[type-var, operator]
    assert all(record.number >= 5 and record.accuracy is None for record in pruned)


def test_an_interrupted_study_tries_what_it_would_have_tried(whole: list[TrialRecord], tmp_path: Path) -> None:
    for cut in (0, 3, 9):

        def interrupted(settings: Mapping[str, Setting], on_epoch: OnEpoch, *, cut: int = cut) -> TrialOutcome:
            if len(study(tmp_path / "study.sqlite").records()) == cut:
                raise KeyboardInterrupt
            return bowl(settings, on_epoch)

        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "study.sqlite").run(interrupted, trials=12, listener=Silent())
    again = study(tmp_path / "study.sqlite")
    assert len(again.records()) == 9
    again.run(bowl, trials=12, listener=Silent())
    assert tried(again.records()) == tried(whole)


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_trial_study as toys

def slow(settings, on_epoch):
    if len(made.records()) == int(sys.argv[2]):
        print("RUNNING", flush=True)
        time.sleep(60)
    return toys.bowl(settings, on_epoch)

made = toys.study(Path(sys.argv[1]))
made.run(slow, trials=12, listener=toys.Silent())
"""


@pytest.fixture
def killed() -> Callable[[Path, int], None]:
    """Runs a study in a process of its own and kills it in the middle of a trial."""

    def run(file: Path, number: int) -> None:
        command = [sys.executable, "-c", KILLED, str(file), str(number), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "RUNNING"
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL

    return run


@pytest.mark.integration
def test_a_killed_study_starts_the_cut_trial_again(
    whole: list[TrialRecord], killed: Callable[[Path, int], None], tmp_path: Path
) -> None:
    file = tmp_path / "study.sqlite"
    killed(file, 4)
    assert tried(study(file).records()) == tried(whole[:4])

    seen: list[Mapping[str, Setting]] = []

    def watched(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
        seen.append(settings)
        return bowl(settings, on_epoch)

    again = study(file)
    again.run(watched, trials=12, listener=Silent())
    assert seen[0] == whole[4].settings
    assert tried(again.records()) == tried(whole)


@pytest.mark.integration
def test_a_trial_that_takes_the_process_with_it_twice_is_given_up(
    killed: Callable[[Path, int], None], tmp_path: Path
) -> None:
    file = tmp_path / "study.sqlite"
    killed(file, 1)
    killed(file, 1)
    made = study(file)
    made.run(bowl, trials=3, listener=Silent())
    assert [record.state for record in made.records()] == ["complete", "failed", "complete"]
    assert "killed twice" in made.records()[1].reason


def test_a_failed_trial_is_kept_with_its_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    calls = 0

    def fragile(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TrialFailed("Out of memory.")
        if calls == 3:
            return TrialOutcome(float("nan"), 0.25, 1)
        return bowl(settings, on_epoch)

    made = study(tmp_path / "study.sqlite")
    made.run(fragile, trials=4, listener=Silent())
    assert [record.state for record in made.records()] == ["complete", "failed", "failed", "complete"]
    assert made.records()[1].reason == "Out of memory."
    assert "not a number" in made.records()[2].reason


def test_more_trials_go_on_and_time_that_is_up_starts_none(tmp_path: Path) -> None:
    made = study(tmp_path / "study.sqlite")
    made.run(bowl, trials=2, listener=Silent())
    made.run(bowl, trials=2, listener=Silent())
    assert len(made.records()) == 2
    made.run(bowl, trials=9, listener=Silent(), deadline=time.monotonic())
    assert len(made.records()) == 2
    made.run(bowl, trials=3, listener=Silent())
    assert len(made.records()) == 3


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"facts": {"data": {"digest": "2"}}}, "data.digest was 1, is 2"),
        ({"seed": 2}, "seed was 1, is 2"),
        ({"space": {**SPACE, "layers": Dimension(low=1, high=4)}}, "space.layers.high was 3, is 4"),
    ],
)
def test_a_study_of_something_else_is_refused(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    study(tmp_path / "study.sqlite").run(bowl, trials=1, listener=Silent())
    with pytest.raises(AgnewsError, match="made for something else") as caught:
        study(tmp_path / "study.sqlite", **changed)
    assert said in str(caught.value.found)
    assert "--study" in caught.value.fix


def test_a_study_without_any_trial_is_made_anew_for_something_else(tmp_path: Path) -> None:
    def broken(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        study(tmp_path / "study.sqlite").run(broken, trials=1, listener=Silent())
    start = {**START, "width": 8}
    other = study(tmp_path / "study.sqlite", start=start, facts={"data": {"digest": "2"}})
    other.run(bowl, trials=1, listener=Silent())
    assert [record.settings for record in other.records()] == [start]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(AgnewsError, match="cannot be used"):
        study(tmp_path / "study.sqlite")
