"""A search for good settings, from a configuration to a better one."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.tuning.plot_study import plot_study
from agnews.components.tuning.read_search_space import Dimension, Setting
from agnews.components.tuning.trial_study import OnEpoch, TrialFailed, TrialOutcome, TrialRecord, TrialStudy
from agnews.pipeline.code_version import code_version, code_versions
from agnews.pipeline.load_corpus import load_corpus
from agnews.pipeline.local.quiet_output import terminable
from agnews.pipeline.local.run_locally import RunRequest
from agnews.pipeline.node_settings import resolve_text, vocabulary_digest
from agnews.pipeline.reports.find_run import training_seconds
from agnews.pipeline.tuning.apply_settings import apply_settings
from agnews.pipeline.tuning.train_trial import prepare_rows, train_trial
from agnews.pipeline.tuning.tuning_view import TuningView, forecast, show_study
from agnews.pipeline.tuning.write_config import write_config
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.run_config import RunConfig


@dataclass(frozen=True)
class TuneRequest:
    """What to search.

    Attributes:
        run: The run that prepares the rows, up to TokenGate, with the configuration to start from.
        space: What is searched, from `fit_space`.
        start: The value of each of its keys in the configuration.
        study: File of the study.
        trials: Trials in all, those of earlier calls included.
        seed: Seed of the search.
        timeout: Seconds after which no trial starts, or None.
        out: File that receives the best configuration; the plot is beside it.
    """

    run: RunRequest
    space: Mapping[str, Dimension]
    start: Mapping[str, Setting]
    study: Path
    trials: int
    seed: int
    timeout: float | None
    out: Path


def tune(request: TuneRequest, console: Console) -> None:
    """Prepares rows, runs trials on them, and writes the best configuration and a plot.

    Trials learn from the split `train` and are judged by their loss on the split `eval`; the split `test` is not read.

    Args:
        request: What to search. The caller holds the lock of the root folder.
        console: Where to draw.

    Raises:
        AgnewsError: The data cannot be used, the study was made for something else, or no trial was complete.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    config = request.run.config
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    state = read_state(config.data.source, load_corpus(config.data.corpus).corpus, config.data.window)
    digest = state.digest
    study = TrialStudy(
        request.study,
        space=request.space,
        start=request.start,
        facts=_facts(config, digest),
        seed=request.seed,
    )
    ended = study.records()
    if len(ended) < request.trials:
        examples_uri, transform_graph = prepare_rows(replace(request.run, state=state), console)

        def train(settings: Mapping[str, Setting], on_epoch: OnEpoch) -> TrialOutcome:
            try:
                return train_trial(
                    apply_settings(config, settings),
                    examples_uri=examples_uri,
                    transform_graph=transform_graph,
                    scratch_uri=str(request.run.paths.scratch),
                    on_epoch=on_epoch,
                )
            except TrialFailed as failure:
                reason = failure.__cause__
                if not settings and isinstance(reason, AgnewsError) and reason.exit_code == ExitCode.USAGE:
                    # The configuration itself is wrong, a missing device for example: no trial would be better off.
                    raise reason from None
                raise

        if not ended:
            seconds = training_seconds(request.run.paths, config, digest)
            console.print(Text(forecast(request.trials, seconds)), soft_wrap=True)
        view = TuningView(console, trials=request.trials, ended=ended)
        with terminable(), view:
            study.run(train, trials=request.trials, listener=view, deadline=deadline)
    _conclude(request, study.records(), digest, console)


_MAKE_ROWS = ("NewsExampleGen", "Transform")
"""Nodes whose code decides what a trial learns from; the training itself is done here and by none."""


def _facts(config: RunConfig, digest: str) -> dict[str, object]:
    """Returns all that a trial's figures depend on besides its settings."""
    text, versions = resolve_text(config), code_versions()
    return {
        "data": {"digest": digest, **config.data.model_dump(mode="json", exclude={"source", "fail_on_drift"})},
        "text": {
            **text.model_dump(mode="json", exclude={"max_unknown_share"}),
            "vocabulary_digest": vocabulary_digest(text),
        },
        "model": config.model.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "devices": config.devices.model_dump(mode="json", exclude={"workers"}),
        "code": {node: versions[node] for node in _MAKE_ROWS}
        | {"training": code_version("agnews.components.training.train_classifier")},
    }


def _conclude(request: TuneRequest, records: list[TrialRecord], digest: str, console: Console) -> None:
    if not records:
        console.print("No trial was run: the time was up before.")
        return
    complete = [record for record in records if record.state == "complete"]
    if not complete:
        reasons = list(dict.fromkeys(record.reason for record in records))
        raise AgnewsError(
            f"None of the {len(records)} trials ended with a model.",
            found="; ".join(reasons[:3]),
            fix=f"Mend the configuration or narrow the search space (--space FILE), then remove {request.study}.",
            exit_code=ExitCode.FAILED,
        )
    best = min(complete, key=lambda record: record.loss or 0.0)
    show_study(records, best, console)
    config = request.run.config
    title = f"{request.study.stem}: {len(records)} trials, model {config.model.kind}"
    plot = request.out.with_suffix(".svg")
    plot_study(plot, records, request.space, title=title)
    write_config(
        request.out,
        config if best.number == 0 else apply_settings(config, best.settings),
        facts=_header(request, records, best, digest),
        searched=request.space,
    )
    if len(records) < request.trials:
        console.print(
            Text(f"The time is up after {len(records)} of {request.trials} trials: the same command goes on.")
        )
    for label, value in (("settings", request.out), ("plot", plot), ("study", request.study)):
        console.print(Text.assemble((f"{label:<10}", "dim"), str(value)), soft_wrap=True)
    command = shlex.join(["agnews", "run", "--config", str(request.out), "--root", str(request.run.paths.root)])
    console.print(Text.assemble((f"{'next':<10}", "dim"), command), soft_wrap=True)


def _header(request: TuneRequest, records: list[TrialRecord], best: TrialRecord, digest: str) -> list[str]:
    default = records[0]
    counts = {state: sum(each.state == state for each in records) for state in ("complete", "pruned", "failed")}
    figures = [f"Best:     trial {best.number}, {_figures(best)}"]
    if best is default:
        figures.append("          which is the configuration as it stood: nothing better was found")
    else:
        found = _figures(default) if default.state == "complete" else f"failed: {default.reason}"
        figures.append(f"Before:   trial 0, the configuration as it stood, {found}")
    ended = f"{counts['complete']} complete, {counts['pruned']} stopped early, {counts['failed']} failed"
    return [
        "",
        f"Command:  {request.run.command}",
        f"Data:     {digest}",
        f"Trials:   {len(records)}: {ended}",
        *figures,
        f"Versions: agnews {version('agnews')}, tensorflow {version('tensorflow')}",
        "",
        "The best of many trials on the same eval rows is partly the luckiest: its figures are optimistic. The test",
        "split was not read; `agnews run` with this file judges the settings on it.",
    ]


def _figures(record: TrialRecord) -> str:
    return f"eval loss {record.loss:.4f}, eval accuracy {100 * (record.accuracy or 0.0):.2f} %"
