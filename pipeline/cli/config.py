"""`agnews config`: which configurations there are, and what one amounts to."""

from __future__ import annotations

from typing import Annotated

import typer

from agnews.pipeline.cli.corpus_option import CorpusOption
from agnews.pipeline.literal_text import printable

app = typer.Typer(help="List configurations, and show what one amounts to.", no_args_is_help=True)


@app.command(name="list")
def list_configs() -> None:
    """List the configurations that come with the package, with their cost and the figures to expect."""
    from rich.table import Table

    from agnews.pipeline.load_config import CONFIGS, config_names
    from agnews.pipeline.printable_console import printable_console

    table = Table(box=None, padding=(0, 2))
    table.add_column("name", style="bold")
    table.add_column("what it is")
    for name in config_names():
        header = [
            line.removeprefix("#").strip()
            for line in (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
            if line.startswith("#")
        ]
        table.add_row(name, "\n".join(line for line in header if line) + "\n")
    printable_console().print(table)


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]", help="A configuration's name or a YAML file; default: that of the corpus."
        ),
    ] = None,
    corpus: CorpusOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value; may be repeated."),
    ] = None,
) -> None:
    """Print every key of a configuration with its value, what the key means, and why a corpus chose the value."""
    from pydantic import BaseModel
    from rich.padding import Padding
    from rich.text import Text

    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.setting_reasons import setting_reasons

    console = printable_console()

    def tell(section: BaseModel, prefix: str) -> None:
        for key, field in type(section).model_fields.items():
            value = getattr(section, key)
            if isinstance(value, BaseModel):
                tell(value, f"{prefix}{key}.")
                continue
            shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            console.print(Text.assemble((f"{prefix}{key}", "bold"), f" = {shown}"), soft_wrap=True)
            if reason := reasons.get(f"{prefix}{key}"):
                console.print(Padding(Text(printable(reason), style="cyan"), (0, 0, 0, 4)))
            meaning = Text((field.description or "").replace("\n", " "), style="dim")
            console.print(Padding(meaning, (0, 0, 0, 4)))

    tree = load_config(name, settings or [], corpus)
    reasons = setting_reasons(tree)
    tell(tree, "")
