"""Thousands of seeded histories of a training: killed at any file operation, without power, with another of its kind.

What is trained is a toy that counts in NumPy; the callbacks, their order and the file are the real ones.
`AGNEWS_SEED=N pytest -k replay_of_resume` runs one again; a failure prints its number.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from agnews.components.storage import files_at as door
from agnews.components.training import backup_place as places
from agnews.components.training import training_backup, training_monitor
from agnews.components.training.backup_place import BackupPlace, backup_place
from agnews.components.training.training_backup import TrainingBackup
from agnews.components.training.training_monitor import AverageWeights, TrainingMonitor

OPERATIONS = 30
SCRATCH = "seeded://scratch"
DAY = 86_400.0
FOREVER = math.inf


@dataclass(frozen=True)
class Job:
    """What decides a training: the same again is the same to the last digit."""

    number: int
    epochs: int
    steps: int
    patience: int
    averages: bool


class Value:
    """A variable of a model."""

    def __init__(self, *shape: int) -> None:
        self.value = np.zeros(shape)

    def numpy(self) -> Any:
        return self.value.copy()

    def __array__(self, dtype: Any = None) -> Any:
        return self.value if dtype is None else self.value.astype(dtype)

    def assign(self, value: Any) -> None:
        self.value = np.array(value)


class Toy:
    """A model whose every step depends on all that a training keeps, and on the number of the step."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.trained, self.fixed, self.count, self.slope = Value(3), Value(), Value(), Value(3)
        self.trained.assign(np.linspace(0.1, 1.0, 3) * (1 + job.number))
        self.loss = Value()
        self.weights, self.trainable_weights = [self.trained, self.fixed], [self.trained]
        self.metrics = [SimpleNamespace(variables=[self.loss])]
        self.optimizer = SimpleNamespace(
            variables=lambda: [self.count, self.slope], iterations=self.count, learning_rate=0.1
        )
        self.stop_training = False

    def get_weights(self) -> list[Any]:
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, values: Sequence[Any]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)

    def learn(self, epoch: int, step: int) -> dict[str, float]:
        row = 100 * epoch + step + self.job.number
        self.slope.assign(0.5 * self.slope.value + np.sin(7.0 * self.trained.value + row))
        self.trained.assign(self.trained.value - 0.3 * self.slope.value)
        self.count.assign(self.count.value + 1)
        self.fixed.assign(self.fixed.value + np.cos(row))
        self.loss.assign(self.loss.value + float(np.square(self.trained.value).sum()))
        return {"loss": float(self.loss.value), "accuracy": 0.5}

    def judge(self) -> dict[str, float]:
        return {"val_loss": float(np.sin(5.0 * self.trained.value).sum()), "val_accuracy": 0.5}


Snapshot = tuple[Any, ...]


class Process:
    """One process that trains; each `next` of `life` is as much as happens between two places to be killed at.

    Args:
        job: What it trains.
        place: Where it keeps its backup.
        client: Its view of the storage.
        seconds: Between two backups.
    """

    def __init__(self, job: Job, place: BackupPlace, client: Any, seconds: float) -> None:
        self.job, self.client, self.place = job, client, place
        self.toy = Toy(job)
        self.faulty = bool(client and (client.fail_at or client.lost_at))
        self.stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=job.patience, restore_best_weights=True
        )
        self.monitor = TrainingMonitor(num_rows=100, steps_per_epoch=job.steps, epochs=job.epochs)
        self.averaging = AverageWeights(0.9) if job.averages else None
        self.keeper = TrainingBackup(
            place,
            stopping=self.stopping,
            monitor=self.monitor,
            averaging=self.averaging,
            steps_per_epoch=job.steps,
            epochs=job.epochs,
            seconds_between=seconds,
        )
        self.callbacks = [*([self.averaging] if self.averaging else []), self.stopping, self.monitor, self.keeper]
        for each in self.callbacks:
            each.set_model(self.toy)
        self.at: tuple[int, int] = (0, 0)
        self.began: tuple[int, int] | None = None
        self.life = self._live()

    def snapshot(self, ended: bool = False) -> Snapshot:
        """All that what follows depends on; nothing of the last epoch's metrics where nothing follows."""
        curve = [{name: entry[name] for name in entry if "seconds" not in name} for entry in self.monitor.curve]
        curve = [{name: value for name, value in entry.items() if "per_second" not in name} for entry in curve]
        average = [each.numpy().tolist() for each in self.averaging.averages] if self.averaging else None
        best = self.stopping.best_weights
        return (
            *(self.at, [each.numpy().tolist() for each in [*self.toy.weights, *self.toy.optimizer.variables()]]),
            *(0.0 if ended else self.toy.loss.numpy().tolist(), average),
            *([each.tolist() for each in best] if best else None, self.stopping.wait, float(self.stopping.best)),
            *(self.stopping.best_epoch, curve),
        )

    def met_a_fault(self, calls: int) -> bool:
        """Whether the storage has failed, or an answer of it was lost, since so many calls."""
        client = self.client
        return self.faulty and (calls < client.fail_at <= client.steps or not client.fail_at + client.lost_at)

    def _tell(self, moment: str, *values: Any) -> None:
        for each in self.callbacks:
            getattr(each, moment)(*values)

    def _live(self) -> Iterator[str]:
        epoch, step = self.keeper.load()
        self.began = self.at = (epoch, step)
        self._tell("on_train_begin", None)
        while epoch < self.job.epochs and not self.toy.stop_training:
            self.toy.loss.assign(0.0)
            self._tell("on_epoch_begin", epoch, None)
            self.at = (epoch, step)
            yield "begin"
            for number in range(step, self.job.steps):
                logs = self.toy.learn(epoch, number)
                self.at = (epoch, number + 1)
                yield "learnt"
                self._tell("on_train_batch_end", number, logs)
                yield "step"
            if self.averaging:
                self.averaging.on_test_begin()
            logs |= self.toy.judge()
            yield "judged"
            self._tell("on_epoch_end", epoch, logs)
            epoch, step = epoch + 1, 0
            yield "epoch"
        self._tell("on_train_end", None)
        self.at = (self.job.epochs, 0)
        yield "end"


@cache
def uncut(job: Job) -> Mapping[tuple[int, int] | str, Snapshot]:
    """What the training is at each place where it may go on, and in the end, if nobody disturbs it."""
    found: dict[tuple[int, int] | str, Snapshot] = {}
    nowhere = SimpleNamespace(
        remove_leftovers=lambda: None, read=lambda: None, write=lambda *_: None, fingerprint="", file=""
    )
    process = Process(job, nowhere, None, FOREVER)  # type: ignore[arg-type]
    for moment in process.life:
        if moment in {"begin", "step"}:
            found[process.at] = process.snapshot()
        if moment == "end":
            found["end"] = process.snapshot(ended=True)
    return found


class History:
    """One training, all that happens to its processes, and one storage.

    Args:
        world: The module with the storage.
        seed: Drives everything.
        patch: Puts this world's storage and clocks into place.
    """

    def __init__(self, world: ModuleType, seed: int, patch: pytest.MonkeyPatch) -> None:
        self.module = world
        kind = ("disk", "conditional", "disk", "plain")[seed % 4]
        self.world = world.World(seed, kind, list_delay=40 if seed % 8 == 3 else 0)
        self.random = self.world.random
        self.ticks = 0.0
        patch.setitem(door._BY_SCHEME, world.SCHEME, lambda: self.world.current)
        clock = SimpleNamespace(perf_counter=self._tick, time=lambda: self.world.seconds)
        for module in (places, training_backup, training_monitor):
            patch.setattr(module, "time", clock)
        chance = self.random
        self.job = Job(
            chance.randrange(3), chance.randint(2, 4), chance.randint(2, 4), chance.randint(1, 3), seed % 8 == 0
        )
        self.seconds_between = chance.choice([0.0, 60.0, 180.0, 180.0])
        self.write_seconds = chance.choice([0.0, 0.0, 5.0])
        self.unit = chance.choice([1.0, 20.0, 100.0])
        self.place = self._place()
        self.world.on_change = self._changed
        self.story = [f"{kind}, {self.job}, a backup every {self.seconds_between:.0f} s, steps of {self.unit:.0f} s"]
        self.process: Process | None = None
        self.saved_at: float | None = None
        self.put: dict[bytes, tuple[int, int]] = {}
        self.told: bytes | None = None
        self.since: list[bytes | None] = []
        self.damaged: set[bytes | None] = set()
        self.cuts = self.resumed = 0

    def _tick(self) -> float:
        self.ticks += 1e-6
        return self.ticks

    def _place(self) -> BackupPlace:
        place = backup_place(SCRATCH, {"job": self.job.number})
        return BackupPlace(place.folder, place.fingerprint)

    def _changed(self, path: str) -> None:
        """Somebody's file has changed; while a process of ours is at work, it is that one's."""
        if path != self.place.file:
            return
        content = self.world.files.get(path)
        self.since.append(content)
        if content is not None and self.working is not None:
            epoch, step = self.working.at
            self.put[content] = (epoch + 1, 0) if step == self.job.steps else (epoch, step)
            self._pass(self.write_seconds)

    working: Process | None = None

    def _pass(self, seconds: float) -> None:
        self.ticks += seconds
        self.world.seconds += seconds

    def _client(self, cut: bool) -> Any:
        chance = self.random
        if cut:
            return self.module.Client(self.world, cut_at=chance.randint(1, 12), power=chance.random() < 0.5)
        if chance.random() < 0.15:
            return self.module.Client(self.world, **{chance.choice(["fail_at", "lost_at"]): chance.randint(1, 12)})
        return self.module.Client(self.world)

    def start(self, cut: bool = False) -> None:
        self.process = Process(self.job, self.place, self._client(cut), self.seconds_between)
        self.saved_at = self.ticks
        content = self.world.files.get(self.place.file)
        if self.advance(self.process):
            self.check_start(self.process, content)

    def check_start(self, process: Process, content: bytes | None) -> None:
        """It goes on where the backup says, with all that was in it; nothing half, and nothing of others."""
        began = process.began
        assert began is not None
        expected = (0, 0) if content is None else self.put.get(content)
        assert content in self.damaged or began == expected, f"goes on at {began} in place of {expected}"
        assert process.snapshot() == uncut(self.job)[began], "it goes on with something that it never was"
        self.story.append(f"goes on at {began}")
        self.resumed += began != (0, 0)
        if not self.world.list_delay and not process.met_a_fault(0):
            for path in self.leftovers():
                assert self.world.seconds - self.world.changed[path] <= 3600 + 1, "a leftover stays for ever"

    def leftovers(self) -> list[str]:
        return [path for path in self.files() if path != self.place.file]

    def advance(self, process: Process) -> bool:
        """Lets a process do as much as it does between two places to be killed at; False where that was its end."""
        self.working = process
        before, calls = self.world.files.get(self.place.file), process.client.steps
        moment = ""
        try:
            with self.world.process(process.client):
                moment = next(process.life)
        except self.module.CutError:
            self.kill(process, "cut" + (" with the power" if process.client.power else ""))
            return False
        except OSError as error:
            assert process.began is None, "a training ended because its backup could not be written"
            self.kill(process, f"cannot read its backup: {error}")
            return False
        finally:
            self.working = None
        after = self.world.files.get(self.place.file)
        if process.began and after is not before and process.client.steps > calls and not process.met_a_fault(calls):
            self.told, self.since = after, []
            self.saved_at = self.ticks
        if moment in {"learnt", "judged"}:
            self._pass(self.unit)
        if moment == "end":
            self.finish(process)
            return False
        return True

    def finish(self, process: Process) -> None:
        assert process.snapshot(ended=True) == uncut(self.job)["end"], "a training that was cut ends in another way"
        self.story.append("ends")
        calls = process.client.steps
        try:
            with self.world.process(process.client):
                self.place.remove()
        except self.module.CutError:
            self.kill(process, "cut while its backup is removed")
            return
        # What a storage that fails keeps is told, and is no fault of a training that has ended.
        if not process.met_a_fault(calls):
            assert self.world.list_delay or not self.files(), "a training that ended leaves something"
            self.told, self.since = self.world.files.get(self.place.file), []
        if process is self.process:
            self.process = None

    def files(self) -> list[str]:
        return [path for path in self.world.files if path.startswith(f"{self.place.folder}/")]

    def kill(self, process: Process, how: str) -> None:
        """Whatever it was doing, the backup is the last that was told as written, or a later one."""
        self.cuts += 1
        self.story.append(how)
        found = self.world.files.get(self.place.file)
        assert found in [self.told, *self.since], "a backup that was written is gone"
        if "power" in how:
            self.told, self.since = found, []
        if process is self.process or "power" in how:
            self.process = None

    def train(self, cut: bool) -> None:
        if self.process is None:
            self.start(cut)
            return
        if cut:
            self.process.client.cut_at = self.process.client.steps + self.random.randint(1, 6)
            self.process.client.power = self.random.random() < 0.5
        for _ in range(self.random.randint(1, 6)):
            if self.process is not None and not self.advance(self.process):
                return
        self.check_age()

    def check_age(self) -> None:
        """What a cut would take, now: no more than is promised, as long as the storage did what it was told."""
        process = self.process
        if process is None or process.faulty or self.saved_at is None:
            return
        if process.began and process.at != process.began:
            least = max(self.seconds_between, 50 * self.write_seconds if self.seconds_between else 0.0)
            lost = self.ticks - self.saved_at
            assert lost <= least + 2 * self.unit + self.write_seconds + 1, f"a cut would take {lost:.0f} s"

    def pull(self, _: bool) -> None:
        if self.process is None:
            return
        how = self.random.choice(["killed", "killed", "killed with the power"])
        if "power" in how:
            self.world.power_cut()
        self.kill(self.process, how)

    def other(self, cut: bool) -> None:
        """Another training begins, and looks after what nobody came back for."""
        # Where lists are late, what lies beside a backup may not be seen; its own file is.
        seen = [path for path in self.files() if path == self.place.file or not self.world.list_delay]
        age = min((self.world.seconds - self.world.changed[path] for path in seen), default=0.0)
        before = self.world.files.get(self.place.file)
        client = self.module.Client(self.world, cut_at=self.random.randint(1, 6) if cut else 0)
        try:
            with self.world.process(client):
                backup_place(SCRATCH, {"job": "another"})
        except self.module.CutError:
            self.cuts += 1
        after = self.world.files.get(self.place.file)
        assert after is before or age > 14 * DAY, "a backup of somebody who is at work was removed"
        if after is not before:
            self.saved_at = None  # Until it is synced, a power cut may bring it back.
        elif before is not None and age > 14.1 * DAY and not cut and not self.world.list_delay:
            raise AssertionError("a backup that nobody came back for was kept")
        self.story.append("another training begins")

    def jump(self, _: bool) -> None:
        by = self.random.choice([-2 * DAY, -3600.0, 3600.0, 2 * DAY, 15 * DAY])
        self.world.seconds += by
        self.story.append(f"the clock jumps by {by:.0f} s")

    def twin(self, cut: bool) -> None:
        """The same training in a second process: somebody started it twice."""
        process = Process(self.job, self.place, self._client(cut), self.seconds_between)
        self.story.append("a twin")
        alive = all(self.advance(process) for _ in range(self.random.randint(1, 8)))
        self.saved_at = None  # The first had to wait, here.
        if alive:
            self.kill(process, "the twin is killed")

    def damage(self, _: bool) -> None:
        content = self.world.files.get(self.place.file)
        if not content:
            return
        how = self.random.choice(["a bit", "cut short", "empty", "zeros"])
        place = self.random.randrange(len(content))
        damaged = {
            "a bit": content[:place] + bytes([content[place] ^ (1 << self.random.randrange(8))]) + content[place + 1 :],
            "cut short": content[:place],
            "empty": b"",
            "zeros": content[:place] + bytes(len(content) - place),
        }[how]
        self.world.put(self.place.file, damaged)
        self.world.disk[self.place.file] = damaged
        self.world.unsynced.clear()
        self.told, self.since, self.saved_at = damaged, [], None
        self.damaged.add(damaged)
        self.story.append(f"the backup is damaged: {how}")

    def leftover(self, _: bool) -> None:
        """What a process leaves that was killed while it wrote."""
        self.world.put(f"{self.place.folder}/.backup.zip.{self.random.getrandbits(32):x}.new", b"PK")
        self.story.append("a leftover")

    def run(self) -> None:
        operations = [self.train, self.pull, self.other, self.jump, self.twin, self.damage, self.leftover]
        for number in range(OPERATIONS):
            cut = number == OPERATIONS // 2 or self.random.random() < 0.15
            self.random.choices(operations, [14, 2, 1, 1, 1, 0.5, 0.5])[0](cut)
        if not self.cuts and self.process is None:
            # Short trainings may all have ended before a cut came.
            self.start()
        if self.process is not None:
            self.kill(self.process, "killed")
        self.finish_undisturbed()
        assert self.cuts

    def finish_undisturbed(self) -> None:
        self.process = Process(self.job, self.place, self.module.Client(self.world), self.seconds_between)
        while self.advance(self.process):
            pass
        assert self.story[-1] == "ends"


def run_histories(world: ModuleType, seeds: Iterable[int]) -> int:
    resumed = 0
    for seed in seeds:
        with pytest.MonkeyPatch.context() as patch:
            history = History(world, seed, patch)
            try:
                history.run()
            except BaseException as error:
                story = "\n  ".join(history.story)
                raise AssertionError(f"AGNEWS_SEED={seed} runs this again: {error!r}\n  {story}") from error
            resumed += history.resumed
    return resumed


@pytest.mark.integration
def test_no_history_of_a_training_goes_on_from_half_a_backup_or_loses_one(seeded_world: ModuleType) -> None:
    assert run_histories(seeded_world, range(2000)) > 2000


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_no_history_of_ten_thousand_trainings_does(seeded_world: ModuleType, part: int) -> None:
    assert run_histories(seeded_world, range(10_000 + part * 2500, 12_500 + part * 2500)) > 2500


@pytest.mark.skipif("AGNEWS_SEED" not in os.environ, reason="AGNEWS_SEED names the history to run again")
def test_replay_of_resume(seeded_world: ModuleType) -> None:
    run_histories(seeded_world, [int(os.environ["AGNEWS_SEED"])])
