"""A search space that suits a configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from agnews.components.tuning.read_search_space import Dimension, Setting
from agnews.pipeline.corpus_settings import dotted_keys
from agnews.pipeline.tuning.apply_settings import apply_settings
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig

_REFUSED = {
    "model.kind": "the search space belongs to one kind of model; tune each kind by itself",
    "model.encoder": "texts are cut into the word pieces of one encoder; tune each encoder by itself",
    "training.label_smoothing": "the loss that trials are compared by is measured with it",
    "training.seed": "the luckiest seed is not a better setting",
    "training.warm_start": "trials start from fresh weights",
}


def fit_space(space: Mapping[str, Dimension], config: RunConfig) -> tuple[dict[str, Dimension], dict[str, Setting]]:
    """Checks a search space against a configuration, and makes it wide enough to hold what stands there.

    Args:
        space: What is to be searched, by key of the configuration.
        config: The configuration that the search starts from.

    Returns:
        The space in which the configuration lies, and the value that the configuration has for each key.

    Raises:
        AgnewsError: A key does not exist or cannot be searched, or the configuration does not allow a value.
    """
    known = dict(dotted_keys(config.model_dump(include={"model", "training"})))
    fitted: dict[str, Dimension] = {}
    for key, dimension in space.items():
        if why := _refused(key):
            raise AgnewsError(f"{key} cannot be searched: {why}.", found=key, fix="Leave it out.")
        if key not in known:
            raise _unknown(key, [each for each in known if not _refused(each)], config)
        try:
            fitted[key] = dimension.holding(known[key])
        except ValueError as error:
            raise AgnewsError(
                f"The search space does not suit {key}: {error}.",
                found=f"{key} = {known[key]} in the configuration",
                fix="Mend the search space; `agnews tune --show-space` prints one to start from.",
            ) from None
        for value in fitted[key].ends:
            apply_settings(config, {key: value})
    return fitted, {key: known[key] for key in space}


def _refused(key: str) -> str:
    """Why, whichever member of a model the key belongs to."""
    section, *_, name = key.split(".")
    return _REFUSED.get(f"{section}.{name}", "")


def _unknown(key: str, names: list[str], config: RunConfig) -> AgnewsError:
    if key.split(".")[0] not in {"model", "training"}:
        return AgnewsError(
            "Only keys of `model` and `training` can be searched: rows are prepared once for all trials.",
            found=key,
            fix="Leave it out, and tune with each of its values by itself: --set KEY=VALUE",
        )
    close = difflib.get_close_matches(key, names, n=1)
    return AgnewsError(
        f"The configuration of {config.model.kind} has no such key.",
        found=key,
        fix=(f"Did you mean {close[0]!r}? " if close else "") + f"Keys that can be searched: {', '.join(names)}.",
    )
