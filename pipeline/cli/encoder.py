"""`agnews encoder`: get pre-trained encoders, look at them, write them back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agnews.pipeline.cli.download_bars import download_bars
from agnews.pipeline.literal_text import literal

if TYPE_CHECKING:
    from agnews.components.encoders.download import OnProgress
    from agnews.components.encoders.encoder_lock import LockedEncoder
    from agnews.components.encoders.resolve_encoder import Encoder

app = typer.Typer(help="Get pre-trained encoders, look at them, write them back.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_LATEST = "latest"


@app.command(name="list")
def list_encoders(as_json: JsonOption = False) -> None:
    """List the encoders on this machine: the embedded one, those that were fetched, and those that were converted.

    The cache is the folder that the environment variable AGNEWS_CACHE names, or ~/.cache/agnews. What is in it can be
    deleted.
    """
    from rich.table import Table

    from agnews.components.encoders.encoder_cache import EncoderCache
    from agnews.pipeline.printable_console import printable_console

    rows = list(_rows())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("encoder", style="bold", overflow="fold")
    table.add_column("what it is", overflow="fold")
    table.add_column("MB", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(literal(row["name"]), literal(row["what"]), f"{row['bytes'] / 1e6:,.0f}")  # type: ignore[operator]
    console = printable_console(soft_wrap=True)
    console.print(table)
    console.print(f"\n{literal(EncoderCache().root)}", style="dim")


def _rows() -> Iterator[dict[str, object]]:
    from agnews.components.encoders.encoder_cache import EncoderCache, read_source_record
    from agnews.components.encoders.find_encoder import embedded_folder
    from agnews.components.text.vocabulary import EMBEDDED

    yield _row(EMBEDDED, "embedded", embedded_folder())
    for folder in EncoderCache().folders():
        record = read_source_record(folder)
        if record is None:
            yield _row(folder.name[:12], "converted", folder)
        else:
            revision = f", commit {record.revision[:12]}" if record.revision else ""
            yield _row(record.handle, f"fetched{revision}", folder)


def _row(name: str, kind: str, folder: Path) -> dict[str, object]:
    from agnews.components.encoders.bert_config import read_bert_config
    from agnews.components.encoders.hugging_face_checkpoint import CONFIG

    # A converted encoder carries its configuration in its card, a SavedModel from elsewhere carries none.
    cards = [path for path in (folder / CONFIG, folder / "assets.extra" / "encoder" / CONFIG) if path.is_file()]
    config = read_bert_config(cards[0]) if cards else None
    sizes = f", {_layers(config.num_hidden_layers)}, {config.hidden_size} wide" if config else ""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"name": name, "what": kind + sizes, "folder": str(folder), "bytes": size}


@app.command()
def fetch(
    handle: Annotated[
        str,
        typer.Argument(
            metavar="[HANDLE]",
            help="Address on TF Hub or Kaggle, or OWNER/NAME or OWNER/NAME@REVISION on the Hugging Face hub. Default: "
            "all that the lock file names.",
        ),
    ] = "",
    sha256: Annotated[
        str,
        typer.Option(
            metavar="DIGEST", help="What it has to be: the digest that this command prints. Another one is not kept."
        ),
    ] = "",
    lock: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Lock file: what it names has to be the same again; what it does not name is written into it.",
        ),
    ] = None,
    trust_model: Annotated[
        bool,
        typer.Option("--trust-model", help="Keep a SavedModel that could do more than compute, as you keep a program."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download an encoder into the cache, so that runs find it by the same name. No run uses the network.

    Of the Hugging Face hub the commit is recorded, digests and sizes are enforced, and a download that was cut goes on
    where it stopped. HF_ENDPOINT names a mirror, HF_TOKEN a token for what is not public. A lock file, kept with your
    configurations, makes sure that everybody gets the same encoders.

    [bold]Examples[/bold]

      agnews encoder fetch https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/1
      agnews encoder fetch google-bert/bert-base-uncased --lock encoders.lock
      agnews encoder fetch --lock encoders.lock
    """
    from agnews.components.encoders.encoder_lock import LockedEncoder, read_encoder_lock, write_encoder_lock
    from agnews.schemas.errors import AgnewsError

    locked = read_encoder_lock(lock) if lock else {}
    handles = [handle] if handle else sorted(locked)
    if not handles or (sha256 and not handle):
        raise AgnewsError(
            "It is not said which encoder to fetch.",
            found=f"no HANDLE, and {f'nothing in {lock}' if lock else 'no --lock'}",
            fix="agnews encoder fetch HANDLE, for example google-bert/bert-base-uncased",
        )
    fetched = []
    for each in handles:
        expected = locked.get(each, LockedEncoder(""))
        if sha256 and expected.sha256 not in ("", sha256.lower()):
            raise AgnewsError(
                "--sha256 and the lock file name two different encoders.",
                found=f"{sha256.lower()}, and {expected.sha256} in {lock}",
                fix=f"Leave one of them out; to change the lock, remove {each} from it.",
            )
        fetched.append(_fetch(each, LockedEncoder(sha256.lower() or expected.sha256, expected.revision), trust_model))
        locked[each] = LockedEncoder(fetched[-1]["sha256"], fetched[-1]["revision"])
    if lock and locked != read_encoder_lock(lock):
        write_encoder_lock(lock, locked)
    if as_json:
        typer.echo(json.dumps(fetched[0] if handle else fetched, indent=2))
        return
    _print_fetched(fetched)


def _fetch(handle: str, expected: LockedEncoder, trust: bool) -> dict[str, str]:
    from agnews.components.encoders.encoder_cache import read_source_record
    from agnews.components.encoders.encoder_lock import fetched_digest
    from agnews.components.encoders.fetch_encoder import fetch_encoder

    with _download_bar() as on_progress:
        folder = fetch_encoder(handle, on_progress=on_progress, trust=trust, expected=expected)
    record = read_source_record(folder)
    revision = record.revision if record else ""
    return {"handle": handle, "revision": revision, "sha256": fetched_digest(folder), "folder": str(folder)}


def _print_fetched(fetched: Sequence[dict[str, str]]) -> None:
    from agnews.pipeline.printable_console import printable_console

    console = printable_console(soft_wrap=True)
    for each in fetched:
        revision = f"  commit {literal(each['revision'])}" if each["revision"] else ""
        console.print(f"[green]✓[/green] [bold]{literal(each['handle'])}[/bold]{revision}")
        console.print(f"  {literal(each['folder'])}\n  sha256 {each['sha256']}", style="dim")
    if len(fetched) == 1:
        console.print(f"\nNext: [bold]agnews encoder show {literal(fetched[0]['handle'])}[/bold]")


@app.command()
def show(
    source: Annotated[
        str, typer.Argument(metavar="ENCODER", help="minilm, a folder, or what was fetched, by its handle.")
    ] = "minilm",
    num_layers: Annotated[
        int | None, typer.Option("--layers", metavar="N", min=1, help="Keep the first N layers of a checkpoint.")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"],
        typer.Option(help="Precision that its layers compute in, as for devices.precision on a GPU."),
    ] = "float32",
    as_json: JsonOption = False,
) -> None:
    """Check an encoder, convert it if that was not done before, and print what a run would use."""
    from rich.text import Text

    from agnews.pipeline.printable_console import printable_console

    with _quietly("Reading, and converting if needed ..."):
        from agnews.components.encoders.resolve_encoder import resolve_encoder

        encoder = resolve_encoder(source, num_layers=num_layers, compute_dtype=precision)
    if as_json:
        typer.echo(json.dumps(vars(encoder), indent=2, default=str))
        return
    console = printable_console(soft_wrap=True)
    for name, value in _facts(encoder).items():
        console.print(Text.assemble((f"{name:<14}", "bold"), value))


def _facts(encoder: Encoder) -> dict[str, str]:
    return {
        "encoder": encoder.source,
        "size": f"{_layers(encoder.num_layers)}, {encoder.hidden_dim} wide, {encoder.parameters:,} parameters",
        "longest text": f"{encoder.max_length} word pieces",
        "case": "dropped, with accents" if encoder.do_lower_case else "kept",
        "pooler": "yes" if encoder.has_pooler else "none in the checkpoint: pool by the mean",
        **({"left out": _some(encoder.left_out)} if encoder.left_out else {}),
        "vocabulary": encoder.vocabulary_digest,
        "digest": encoder.digest,
        "folder": str(encoder.folder),
    }


def _some(names: Sequence[str], shown: int = 4) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}: no part of the encoder"


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(metavar="SAVEDMODEL|VERSION", help="Folder of a SavedModel, or a pushed version, or `latest`."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the checkpoint.")],
    root: Annotated[Path, typer.Option(metavar="DIR", help="Root folder of the runs that pushed VERSION.")] = Path(
        "workspace"
    ),
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the model that VERSION is one of.")] = "agnews",
) -> None:
    """Write the encoder in a model, fine-tuned or not, as a Hugging Face checkpoint.

    The folder gets config.json, vocab.txt, tokenizer_config.json and model.safetensors, for
    `transformers.AutoModel.from_pretrained`. The classes are left out.
    """
    from agnews.pipeline.printable_console import printable_console

    with _quietly("Reading ..."):
        from agnews.components.encoders.convert_checkpoint import export_checkpoint

        export_checkpoint(_model_folder(model, root, name), target)
    console = printable_console(soft_wrap=True)
    console.print(f"[green]✓[/green] [bold]{literal(target)}[/bold]")
    console.print(f"\nUse it here: [bold]agnews encoder show {literal(target)}[/bold]")
    console.print(f'or there:    [bold]transformers.AutoModel.from_pretrained("{literal(target)}")[/bold]')


def _model_folder(model: str, root: Path, name: str) -> Path:
    from agnews.components.model_store import ModelStore
    from agnews.pipeline.paths import Paths
    from agnews.schemas.errors import AgnewsError

    folder = Path(model).expanduser()
    if (folder / "saved_model.pb").is_file():
        return folder
    store = ModelStore(str(Paths(root.expanduser().absolute()).models), name)
    production = store.production()
    version = production.version if production and model == _LATEST else model
    if version not in store.versions():
        raise AgnewsError(
            f"There is neither a SavedModel nor a pushed version {model}.",
            found=f"versions {', '.join(store.versions()) or 'none'} in {store.uri}",
            fix="Name a folder that has a saved_model.pb, or a version; --root names the root folder of the runs.",
        )
    return Path(store.folder(version))


@contextmanager
def _quietly(doing: str) -> Iterator[None]:
    """Shows what is going on, instead of what TensorFlow has to say about this machine."""
    from rich.console import Console

    from agnews.pipeline.local.quiet_output import quiet_output

    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status(doing):
        yield


@contextmanager
def _download_bar() -> Iterator[OnProgress]:
    from agnews.pipeline.local.quiet_output import quiet_output

    with (
        quiet_output(Path(os.devnull)) as terminal,
        download_bars(terminal) as progress,
    ):
        task = progress.add_task("connecting", total=None)

        def on_progress(name: str, done: int, total: int | None) -> None:
            progress.update(task, description=name, completed=done, total=total)

        yield on_progress
