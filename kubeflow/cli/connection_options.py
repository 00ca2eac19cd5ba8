"""The options that every command has which speaks to a server."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi

_PANEL = "Connection"


def _option(*names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PANEL, **settings)


_OPTIONS: dict[str, Any] = {
    "host": Annotated[
        str | None,
        _option("--host", metavar="URL", help="API server or UI of Kubeflow Pipelines.", envvar="AGNEWS_KFP_HOST"),
    ],
    "namespace": Annotated[
        str | None,
        _option(
            "--namespace", metavar="NAME", help="Your namespace, if there are several.", envvar="AGNEWS_KFP_NAMESPACE"
        ),
    ],
    "authentication": Annotated[
        str | None,
        _option(
            "--auth",
            metavar="none|bearer|service-account|cookie",
            help="How to prove who you are; default: what was given.",
            envvar="AGNEWS_KFP_AUTHENTICATION",
        ),
    ],
    "token_file": Annotated[
        Path | None,
        _option(
            "--token-file",
            metavar="FILE",
            help="Bearer token; or set AGNEWS_KFP_TOKEN.",
            envvar="AGNEWS_KFP_TOKEN_FILE",
        ),
    ],
    "cookie_file": Annotated[
        Path | None,
        _option(
            "--cookie-file",
            metavar="FILE",
            help="Session cookie, NAME=VALUE; or set AGNEWS_KFP_COOKIE.",
            envvar="AGNEWS_KFP_COOKIE_FILE",
        ),
    ],
    "ca_file": Annotated[
        Path | None,
        _option("--ca-file", metavar="FILE", help="Certificate authority of the server.", envvar="AGNEWS_KFP_CA_FILE"),
    ],
}


def with_server(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of a connection to a command, and hands it the server as its first argument.

    Args:
        command: A command whose first argument is a `KfpApi`.

    Returns:
        The command for typer.
    """

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in _OPTIONS}
        command(_connect(given), **arguments)

    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _OPTIONS.items()
    ]
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    wrapped.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    del wrapped.__wrapped__
    return wrapped


def _connect(given: dict[str, object]) -> KfpApi:
    from agnews.kubeflow.client.connection import Connection
    from agnews.kubeflow.client.kfp_api import KfpApi

    return KfpApi.connect(Connection.read(given))
