"""`agnews tune`: search settings that are better than those of a configuration."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.corpus_option import CorpusOption
from agnews.schemas.errors import AgnewsError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agnews.components.tuning.read_search_space import Dimension, Setting
    from agnews.pipeline.paths import Paths
    from agnews.pipeline.tuning.tune import TuneRequest
    from agnews.schemas.run_config import RunConfig


def tune(
    data: Annotated[
        str | None,
        typer.Option(metavar="sample|DIR|URI", help="Rows to learn from, as for [bold]agnews run[/bold]."),
    ] = None,
    corpus: CorpusOption = None,
    model: Annotated[str | None, typer.Option(help="Kind of model; see [bold]agnews config list[/bold].")] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Configuration to start from; default: the model's own."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value to start from; may be repeated."),
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials in all; those that ended before the search was cut count.")
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=0.0, help="Start no trial after that time; the running one ends."),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML that says what is searched; default: what --show-space prints."),
    ] = None,
    show_space: Annotated[
        bool, typer.Option("--show-space", help="Print what is searched, as YAML for --space, and exit.")
    ] = False,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the search, which is kept in ROOT/tuning; default: the model's kind.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the best settings go; default: ROOT/tuning/NAME.yaml."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search: the same one tries the same settings.")] = 1,
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for artifacts, models, reports and the cache.")
    ] = Path("workspace"),
) -> None:
    """Search better settings: try some, and write the best as a configuration.

    Rows are read, checked and tokenised as in a run, or come from its cache. Trials learn from the train split and are
    compared by their loss on the eval split; the test split is never read. Trial 0 is the configuration as it stands.
    Trials that are behind at some epoch are stopped early.

    The search can be cut at any time, by Ctrl-C or worse: the same command goes on. A larger --trials adds trials.

    [bold]Examples[/bold]

      agnews tune --data DIR --trials 30                          the transformer
      agnews tune --data DIR --model bert_frozen --timeout 30     at most half an hour, and the last trial
      agnews tune --show-space > space.yaml                       what is searched; edit it, and then
      agnews tune --data DIR --space space.yaml                   search that
      agnews run --config workspace/tuning/transformer.yaml       train with what was found
    """
    from agnews.components.tuning.read_search_space import show_search_space
    from agnews.pipeline.cli.run import require_alone
    from agnews.pipeline.load_config import choose_config
    from agnews.pipeline.paths import prepare_root
    from agnews.pipeline.tuning.fit_space import fit_space

    tree = choose_config(data=data, corpus=corpus, model=model, config=config, settings=settings or [])
    if tree.devices.workers > 1:
        raise AgnewsError(
            "A search trains each of its trials in this process.",
            found=f"devices.workers {tree.devices.workers}",
            fix="Leave devices.workers out here; the settings that are found hold for any number of processes.",
        )
    wanted = _space(space, tree.model.kind)
    fitted, start = fit_space(wanted, tree)
    if show_space:
        typer.echo(show_search_space(wanted), nl=False)
        return
    require_alone("agnews tune")
    name = _study_name(study or tree.model.kind)
    paths = prepare_root(root)
    target = (out or paths.root / "tuning" / f"{name}.yaml").expanduser()
    raise typer.Exit(_tune(tree, paths, fitted, start, name, trials, timeout, seed, target))


def _space(file: Path | None, kind: str) -> Mapping[str, Dimension]:
    from agnews.components.tuning.read_search_space import DEFAULT_SPACES, read_search_space

    return DEFAULT_SPACES[kind] if file is None else read_search_space(file.expanduser())


def _study_name(name: str) -> str:
    import re

    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", name):
        raise AgnewsError(
            "The name of a study becomes the name of a file.",
            found=name,
            fix="Take letters, digits, `_`, `-` and `.`, with a letter or a digit in front.",
        )
    return name


def _tune(
    tree: RunConfig,
    paths: Paths,
    space: Mapping[str, Dimension],
    start: Mapping[str, Setting],
    name: str,
    trials: int,
    timeout: float | None,
    seed: int,
    out: Path,
) -> int:
    from agnews.pipeline.local.quiet_output import quiet_output
    from agnews.pipeline.paths import new_run_id, root_lock
    from agnews.pipeline.tuning.write_config import require_replaceable

    require_replaceable(out)
    run_id = new_run_id()
    with root_lock(paths.lock, f"tune {name}"), quiet_output(paths.log(run_id)) as terminal:
        from rich.console import Console

        from agnews.components.storage.read_secret import show_command

        console = Console(file=terminal, highlight=False)
        console.print(
            f"{trials} trials, each a training of its own: expect up to {trials} times what `agnews run` trains for. "
            "After the first one the time that is left is shown; --timeout MINUTES sets a limit.",
            style="dim",
        )
        with console.status("Loading TensorFlow and TFX ..."):
            from agnews.pipeline.local.run_locally import RunRequest
            from agnews.pipeline.tuning.train_trial import LAST_NODE
            from agnews.pipeline.tuning.tune import TuneRequest

        command = show_command(sys.argv)
        request = TuneRequest(
            run=RunRequest(tree, paths, run_id, command, to_node=LAST_NODE),
            space=space,
            start=start,
            study=paths.root / "tuning" / f"{name}.sqlite",
            trials=trials,
            seed=seed,
            timeout=None if timeout is None else 60 * timeout,
            out=out,
        )
        return _tune_and_tell(request, console)


def _tune_and_tell(request: TuneRequest, console: Console) -> int:
    from agnews.pipeline.tuning.tune import tune

    try:
        tune(request, console)
    except KeyboardInterrupt:
        console.print("\nInterrupted. Nothing but the trial that ran is lost: the same command goes on there.")
        return ExitCode.INTERRUPTED
    except AgnewsError:
        raise
    except Exception as error:
        traceback.print_exc()  # into the log: standard error is redirected
        raise AgnewsError(
            "The search failed.",
            found=f"{type(error).__name__}: {error}",
            fix=f"The whole story is in {request.run.paths.log(request.run.run_id)}; the same command goes on.",
            exit_code=ExitCode.FAILED,
        ) from error
    return ExitCode.OK
