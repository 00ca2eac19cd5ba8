"""What the description of a corpus says about the configuration, for the kind of model that is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agnews.schemas.corpus import Corpus
from agnews.schemas.learning_config import EnsembleConfig, ModelConfig

_DEFAULT, _ENSEMBLE = "transformer", "ensemble"

Sections = dict[str, dict[str, Any]]
"""Parts of a configuration by the name of their section."""


def corpus_settings(
    corpus: Corpus, kind: str | None = None, network: str | None = None, usual_network: str | None = None
) -> Sections:
    """Returns what a description says about the configuration: its settings, and its floors.

    An ensemble has what is said for its members: in `model.linear` what is said for the kind `linear`, all else from
    the kind of its network. What is said for the kind `ensemble` itself wins over that.

    Args:
        corpus: The description.
        kind: Kind of model that is run; None for the one that the description asks for. Where it asks for another,
            its sections `model` and `training` are those of that other kind, and left out.
        network: Kind of the network in an ensemble; None for the one that the description asks for, or the usual one. A
            section `model.network` of another kind is left out.
        usual_network: Kind of the network in an ensemble where neither says anything; None for the transformer.
    """
    wanted = str(corpus.settings.get("model", {}).get("kind", _DEFAULT))
    kind = kind or wanted
    of_wanted = {name: keys for name, keys in corpus.settings.items() if name in ("model", "training")}
    if kind == _ENSEMBLE:
        own = merge_sections(of_wanted if wanted == _ENSEMBLE else {}, corpus.kinds.get(_ENSEMBLE, {}))
        return _ensemble(corpus, own, network, usual_network or _DEFAULT)
    of_another = kind != wanted and "model" in corpus.settings
    sections: Sections = {
        name: keys for name, keys in corpus.settings.items() if not (of_another and name in of_wanted)
    }
    for more in (corpus.kinds.get(kind, {}), {"evaluation": corpus.floors.model_dump(exclude_none=True)}):
        sections = merge_sections(sections, {name: keys for name, keys in more.items() if keys})
    return sections


def _ensemble(corpus: Corpus, own: Sections, network: str | None, usual: str) -> Sections:
    model = dict(own.get("model", {}))
    described = model.get("network")
    said = str(described.get("kind", usual) if isinstance(described, dict) else usual)
    network = network or said
    if network != said:
        model.pop("network", None)
    # One ensemble in another is no model, and whoever validates the configuration says so.
    sections = corpus_settings(corpus, network) if network != _ENSEMBLE else {}
    members = {"network": sections.get("model", {}), "linear": corpus_settings(corpus, "linear").get("model", {})}
    # The description has chosen the kind of a model that is run alone, not that of a member.
    chosen = {member: {key: keys[key] for key in keys if key != "kind"} for member, keys in members.items()}
    merged: Sections = merge_sections({**sections, "model": chosen}, {**own, "model": model})
    return merged


def network_section(model: ModelConfig) -> tuple[str, ModelConfig]:
    """Returns the part of a section `model` that describes a network, after the dotted name that it goes by."""
    return ("model.network", model.network) if isinstance(model, EnsembleConfig) else ("model", model)


def merge_sections(base: Any, over: Any) -> Any:
    """Returns a tree with the keys of both; where both have a value, that of `over`."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merge_sections(base.get(key), value) for key, value in over.items()}}


def dotted_keys(sections: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted key and the value of each setting, `model.network.dropout` and 0.1."""
    for name, value in sections.items():
        if isinstance(value, dict):
            yield from dotted_keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
