"""From the options that commands share to one configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agnews.pipeline.load_config import load_config
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig


def choose_config(*, data: str | None, model: str | None, config: str | None, settings: Iterable[str]) -> RunConfig:
    """Reads the configuration that a command line asks for.

    Args:
        data: `sample`, a folder or a URI, or None for that of the configuration.
        model: Kind of model, or None for that of the configuration.
        config: Name or file of a configuration, or None for the model's own.
        settings: `KEY=VALUE` each, as `load_config` takes them.

    Returns:
        The configuration; a folder with data has its absolute path in it.

    Raises:
        AgnewsError: The configuration is wrong, or is not one of the model.
    """
    tree = load_config(config or model or "transformer", settings)
    if model is not None and tree.model.kind != model:
        raise AgnewsError(
            "The model asked for is not the one of the configuration.",
            found=f"--model {model}, but {config} configures {tree.model.kind}",
            fix="Leave --model out, or choose another --config.",
        )
    if data is None:
        return tree
    source = data if data == "sample" or "://" in data else str(Path(data).expanduser().absolute())
    return tree.model_copy(update={"data": tree.data.model_copy(update={"source": source})})
