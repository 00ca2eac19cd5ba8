"""A study: trials of settings, one after the other, kept in a file that survives whatever ends the process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from agnews.components.tuning.read_search_space import Dimension, Setting
from agnews.schemas.errors import AgnewsError


class TrialFailed(Exception):  # noqa: N818 - as Optuna's TrialPruned
    """Raised while a trial trains: the trial is recorded as failed, and the study goes on.

    Args:
        reason: Why, one sentence.
    """


@dataclass(frozen=True)
class TrialOutcome:
    """What trained settings are worth.

    Attributes:
        loss: Lowest eval loss, nats.
        accuracy: Eval accuracy at that epoch.
        best_epoch: That epoch, from 1.
    """

    loss: float
    accuracy: float
    best_epoch: int


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended.

    Attributes:
        number: Its place among those that ended, from 0; 0 is the configuration as it stands.
        state: `complete`; `pruned`, stopped early because others were better at that epoch; or `failed`.
        settings: The values that were searched, by key of the configuration.
        loss: Lowest eval loss, nats; of a pruned trial, up to there. None where there is none.
        accuracy: Eval accuracy at that epoch, of a complete trial.
        best_epoch: That epoch, from 1, of a complete trial.
        seconds: How long it took.
        reason: Why it failed; empty otherwise.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    settings: Mapping[str, Setting]
    loss: float | None
    accuracy: float | None
    best_epoch: int | None
    seconds: float
    reason: str


OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Takes the number of a finished epoch, from 1, and its figures, `val_loss` among them; may raise to end the trial."""

TrainTrial = Callable[[Mapping[str, Setting], OnEpoch], TrialOutcome]
"""Trains with some settings; raises `TrialFailed` where they are to blame for a failure."""

_STUDY = "agnews"
_FACTS, _SETTINGS, _IS_DEFAULT, _RETRY_OF, _KILLS = "facts", "settings", "is_default", "retry_of", "kills"
_ACCURACY, _BEST_EPOCH, _SECONDS, _REASON = "accuracy", "best_epoch", "seconds", "reason"

_KILLS_TOLERATED = 1
"""A trial that takes the process with it again and again must not keep a study from its end."""

_RANDOM_TRIALS = 8
"""Trials before the sampler trusts what it has seen."""

_TRIALS_BEFORE_PRUNING = 5

_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class StudyListener(Protocol):
    """Hears how a study goes on."""

    def trial_started(self, number: int, settings: Mapping[str, Setting]) -> None:
        """A trial starts."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial ended, well or not."""


class TrialStudy:
    """A study in an SQLite file.

    The first trial is the configuration as it stands. Later settings come from a tree-structured Parzen estimator,
    which is seeded anew for each trial with the number of trials that ended before: a study that was cut and taken up
    again tries what it would have tried. A trial that was cut starts again with the same settings.

    Args:
        file: The database; made if it does not exist. Only one process may have it open: a trial found running is
            taken for what a killed process left.
        space: What is searched.
        start: The value of each key of the space in the configuration as it stands; within the space.
        facts: All else that decides what a trial comes to, so that a study is never continued with other data.
        seed: Seed of the search.

    Raises:
        AgnewsError: The file is damaged, or was made for other facts or another space.

    References:
        Bergstra et al. (2011), "Algorithms for Hyper-Parameter Optimization", section 4. Golovin et al. (2017),
        "Google Vizier", section 3.2.2, for the median rule that stops trials; ours is Optuna's.
    """

    def __init__(
        self,
        file: Path,
        *,
        space: Mapping[str, Dimension],
        start: Mapping[str, Setting],
        facts: Mapping[str, object],
        seed: int,
    ) -> None:
        self._space = dict(space)
        self._start = dict(start)
        self._seed = seed
        described = {key: dimension.model_dump(mode="json") for key, dimension in self._space.items()}
        all_facts = {**facts, "space": described, "seed": seed}
        self._study = _open(file)
        if self._study.user_attrs.get(_FACTS) != all_facts and not self.records():
            # Nothing is lost with it: a first call that failed over its configuration leaves such a study.
            optuna.delete_study(study_name=_STUDY, storage=_url(file))
            self._study = _open(file)
        _require_same(file, self._study, all_facts)
        if not self._study.trials:
            self._study.enqueue_trial(self._start, user_attrs={_IS_DEFAULT: True})

    def records(self) -> list[TrialRecord]:
        """Returns the trials that ended, in their order; those that were cut and start again do not count."""
        trials = self._study.get_trials(deepcopy=False)
        cut = {trial.user_attrs.get(_RETRY_OF) for trial in trials}
        ended = [trial for trial in trials if trial.state in _STATES and trial.number not in cut]
        return [_record(number, trial) for number, trial in enumerate(ended)]

    def run(self, train: TrainTrial, *, trials: int, listener: StudyListener, deadline: float | None = None) -> None:
        """Goes on until so many trials have ended in total.

        Args:
            train: Trains with some settings; none are given for the configuration as it stands.
            trials: Trials in total, those of earlier calls included.
            listener: Hears of each trial.
            deadline: No trial starts after this time, in terms of `time.monotonic`.

        Raises:
            Exception: Whatever `train` raised besides `TrialFailed`. The trial starts again next time.
        """
        for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._hand_back(left, kills=1)
        while (number := len(self.records())) < trials and (deadline is None or time.monotonic() < deadline):
            self._study.sampler = _sampler(self._seed, number)
            trial = self._study.ask({key: dimension.distribution() for key, dimension in self._space.items()})
            try:
                self._run_one(trial, number, train, listener)
            except BaseException:
                (cut,) = (each for each in self._study.get_trials(deepcopy=False) if each.number == trial.number)
                if cut.state == TrialState.RUNNING:
                    self._hand_back(cut, kills=0)
                raise
            listener.trial_ended(self.records()[-1])

    def _run_one(self, trial: optuna.Trial, number: int, train: TrainTrial, listener: StudyListener) -> None:
        is_default = bool(trial.user_attrs.get(_IS_DEFAULT))
        settings = self._start if is_default else self._rounded(trial.params)
        trial.set_user_attr(_SETTINGS, settings)
        listener.trial_started(number, settings)
        began = time.monotonic()

        def on_epoch(epoch: int, figures: Mapping[str, float]) -> None:
            _require_finite(figures["val_loss"])
            trial.report(figures["val_loss"], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        state, loss = TrialState.COMPLETE, None
        facts: dict[str, object] = {}
        try:
            outcome = train({} if is_default else settings, on_epoch)
            _require_finite(outcome.loss)
            loss = outcome.loss
            facts = {_ACCURACY: outcome.accuracy, _BEST_EPOCH: outcome.best_epoch}
        except TrialFailed as failure:
            state, facts = TrialState.FAIL, {_REASON: str(failure)}
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        for name, value in {**facts, _SECONDS: time.monotonic() - began}.items():
            trial.set_user_attr(name, value)
        self._study.tell(trial, loss, state)

    def _rounded(self, params: Mapping[str, Setting]) -> dict[str, Setting]:
        return {key: self._space[key].rounded(params[key]) for key in self._space}

    def _hand_back(self, trial: FrozenTrial, kills: int) -> None:
        """Lets a trial that was cut start again. The order matters: this may be cut as well."""
        kills += trial.user_attrs.get(_KILLS, 0)
        retried = any(each.user_attrs.get(_RETRY_OF) == trial.number for each in self._study.get_trials(deepcopy=False))
        if kills <= _KILLS_TOLERATED and not retried:
            params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            attributes = {_RETRY_OF: trial.number, _KILLS: kills, _IS_DEFAULT: trial.user_attrs.get(_IS_DEFAULT, False)}
            self._study.enqueue_trial(params, user_attrs=attributes)
        self._study.tell(trial.number, state=TrialState.FAIL)


def _open(file: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return optuna.create_study(
            storage=_url(file),
            study_name=_STUDY,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_TRIALS_BEFORE_PRUNING, n_warmup_steps=1),
            load_if_exists=True,
        )
    except (DatabaseError, RuntimeError) as error:
        raise AgnewsError(
            "The file of the study cannot be used.",
            found=f"{file}: {str(error).splitlines()[0]}",
            fix="Remove the file to start anew, or give another name with --study NAME.",
        ) from error


def _url(file: Path) -> str:
    return URL.create("sqlite", database=str(file)).render_as_string()


def _require_same(file: Path, study: optuna.Study, facts: Mapping[str, object]) -> None:
    before = study.user_attrs.get(_FACTS)
    if before is None:
        study.set_user_attr(_FACTS, dict(facts))
        return
    was, now = _flat(before), _flat(facts)
    different = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
    if different:
        found = "; ".join(f"{key} was {was.get(key)}, is {now.get(key)}" for key in different[:3])
        more = f"; and {len(different) - 3} more" if len(different) > 3 else ""
        raise AgnewsError(
            "The study was made for something else, so its trials cannot be compared with new ones.",
            found=f"{file}: {found}{more}",
            fix="Give a study of its own with --study NAME, or remove the file to start anew.",
        )


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=state, n_startup_trials=_RANDOM_TRIALS)


def _require_finite(loss: float) -> None:
    if not math.isfinite(loss):
        raise TrialFailed("The eval loss is not a number.")


def _record(number: int, trial: FrozenTrial) -> TrialRecord:
    facts = trial.user_attrs
    intermediate: Sequence[float] = list(trial.intermediate_values.values())
    state = trial.state
    missing = "The process was killed twice during this trial; perhaps the memory did not suffice."
    return TrialRecord(
        number=number,
        state=_STATES[state],  # type: ignore[arg-type]
        settings=facts.get(_SETTINGS, trial.params),
        loss=trial.value if state == TrialState.COMPLETE else min(intermediate, default=None),
        accuracy=facts.get(_ACCURACY),
        best_epoch=facts.get(_BEST_EPOCH),
        seconds=facts.get(_SECONDS, 0.0),
        reason=facts.get(_REASON, missing) if state == TrialState.FAIL else "",
    )
