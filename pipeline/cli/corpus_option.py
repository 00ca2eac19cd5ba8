"""The option that names a corpus."""

from __future__ import annotations

from typing import Annotated

import typer

AG_NEWS = "ag_news"
"""The description that is taken unless another one is named."""

CorpusOption = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        metavar="FILE",
        help="Description of the texts, a corpus.yaml; see [bold]agnews corpus init[/bold]. \\[default: ag_news]",
    ),
]
