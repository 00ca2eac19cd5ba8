"""What a server says of itself when it is there."""

from __future__ import annotations

import json
import shlex
from textwrap import shorten
from typing import TYPE_CHECKING

from agnews.components.model_server.describe_corpus import describe_corpus
from agnews.pipeline.literal_text import literal

if TYPE_CHECKING:
    import socket

    from rich.console import Console

    from agnews.components.model_server.model_host import ModelHost

_CLASSES_NAMED = 12
_EXAMPLE_WIDTH = 60


def greet(console: Console, host: ModelHost, listening: socket.socket, *, has_token: bool, follows: bool) -> None:
    """Says where the server is, what answers there, and how to ask it.

    Args:
        console: Where to.
        host: The model.
        listening: The server's socket.
        has_token: Whether clients must send a token.
        follows: Whether the server takes what is pushed later.
    """
    address, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)  # noqa: S104
    url = f"http://{shown}:{port}"
    record = host.current.record
    header = " -H 'Authorization: Bearer TOKEN'" if has_token else ""
    rest = "another one takes over when it is pushed" if follows else "and stays with it"
    named = record.classes if len(record.classes) <= _CLASSES_NAMED else record.classes[:_CLASSES_NAMED]
    more = f" and {len(record.classes) - len(named)} more" if len(named) < len(record.classes) else ""
    console.print(f"[green]✓[/green] [bold]{url}[/bold]  {literal(' · '.join(named))}{more}", soft_wrap=True)
    console.print(
        f"  version {record.version}, accuracy {100 * record.accuracy:.2f} %, {host.current.engine}; {rest}",
        soft_wrap=True,
    )
    examples: list[str] = describe_corpus(host.current.corpus)["examples"]
    example = shorten(examples[0] if examples else "...", _EXAMPLE_WIDTH, placeholder="...")
    body = shlex.quote(json.dumps({"instances": [example]}))
    console.print(
        f"  curl{header} -d {literal(body)} {url}/v1/models/{literal(record.name)}:predict", soft_wrap=True, style="dim"
    )
    console.print(f"  interface {url}/docs, counters {url}/metrics; stop with Ctrl-C", soft_wrap=True, style="dim")
