"""What nodes are told that depends on the model: it is known when a run starts, on a cluster only then."""

from __future__ import annotations

from typing import Any, TypedDict

from pydantic import ValidationError

from agnews.components.carried_corpus import carry_corpus
from agnews.components.encoders.encoder_digest import encoder_digest
from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.text.vocabulary import EMBEDDED
from agnews.pipeline.corpus_settings import corpus_settings, network_section
from agnews.schemas.corpus import Corpus, Floors
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import LEARN, LinearConfig, TextConfig, encoder_config
from agnews.schemas.run_config import RunConfig


class TokenLimits(TypedDict):
    """What TokenGate holds the tokens to."""

    max_length: int
    max_unknown_share: float


def transform_settings(text: TextConfig, code_version: str) -> dict[str, Any]:
    """Returns the `custom_config` of Transform.

    Args:
        text: From `resolve_text`.
        code_version: Digest of the code behind the node.

    Raises:
        AgnewsError: The vocabulary cannot be found or is damaged.
    """
    return {
        **text.model_dump(),
        "vocabulary_digest": vocabulary_digest(text),
        "code_version": code_version,
    }


def vocabulary_digest(text: TextConfig) -> str:
    """Returns the digest of a vocabulary; empty for one that the rows decide.

    Args:
        text: From `resolve_text`.

    Raises:
        AgnewsError: The vocabulary cannot be found or is damaged.
    """
    return "" if text.vocabulary == LEARN else find_vocabulary(str(text.vocabulary)).vocabulary.digest


def token_limits(text: TextConfig) -> TokenLimits:
    """Returns the limits of TokenGate.

    Args:
        text: From `resolve_text`.
    """
    return TokenLimits(max_length=text.max_length, max_unknown_share=text.max_unknown_share)


CORPUS_PARTS: dict[str, tuple[str, ...]] = {
    "NewsExampleGen": ("title", "files", "read", "columns", "label", "texts", "limits"),
    "ImportSchemaGen": ("limits", "schema_pbtxt"),
    "LinearBaseline": (),
    "DataGate": ("distances",),
    "Trainer": (),
    "Evaluator": (),
    "SmokeTest": ("golden_texts",),
    "Pusher": tuple(Corpus.model_fields),
}
"""What each node reads of the description besides its name and classes: another title makes no model anew."""


def carried_corpora(corpus: Corpus, scratch_uri: str) -> dict[str, str]:
    """Returns what each node is told of the corpus.

    Args:
        corpus: The description.
        scratch_uri: Folder or URI that nodes can read; see `carry_corpus`.

    Returns:
        Values of the property `corpus` by node.
    """
    told = {node: corpus.only(*parts) for node, parts in CORPUS_PARTS.items()}
    linear = {"linear": {"model": _linear_settings(corpus).model_dump(mode="json")}}
    told["LinearBaseline"] = told["LinearBaseline"].model_copy(update={"kinds": linear})
    if corpus.floors.min_class_examples == 0:
        lacking = told["NewsExampleGen"].model_copy(update={"floors": Floors(min_class_examples=0)})
        told["NewsExampleGen"] = lacking
    return {node: carry_corpus(each, scratch_uri) for node, each in told.items()}


def _linear_settings(corpus: Corpus) -> LinearConfig:
    """Returns the linear model that others are compared with: one for all runs of a corpus, whatever they train."""
    section = corpus_settings(corpus, "linear").get("model", {})
    try:
        return LinearConfig.model_validate({**section, "kind": "linear"})
    except ValidationError as error:
        detail = error.errors()[0]
        raise AgnewsError(
            f"The description of {corpus.name} asks for a linear model that there is none of.",
            found=f"{'.'.join(map(str, ('model', *detail['loc'])))}: {detail['msg']}",
            fix="Mend the section `kinds: linear: model:`.",
        ) from None


def linear_unwanted(config: RunConfig) -> str:
    """Returns why LinearBaseline trains nothing; empty where it does.

    Args:
        config: The configuration.
    """
    if isinstance(config.model, LinearConfig):
        return "the model of the run is a linear one itself"
    return "evaluation.beats_linear is ignore" if config.evaluation.beats_linear == "ignore" else ""


def trainer_settings(
    config: RunConfig, text: TextConfig, scratch_uri: str, code_version: str, corpus: str
) -> dict[str, Any]:
    """Returns the `custom_config` of the Trainer.

    Args:
        config: The configuration.
        text: Its section `text`, from `resolve_text`.
        scratch_uri: Folder or URI that stays from run to run.
        code_version: Digest of the code behind the node.
        corpus: What it is told of the corpus, from `carried_corpora`.

    Raises:
        AgnewsError: The encoder cannot be found or is damaged.
    """
    return {
        "corpus": corpus,
        "text": text.model_dump(),
        "model": config.model.model_dump(),
        "encoder_digest": _encoder_digest(config),
        "training": config.training.model_dump(),
        # How many processes train is no reason to train anew.
        "devices": config.devices.model_dump(exclude={"workers"}),
        "scratch_uri": scratch_uri,
        "code_version": code_version,
    }


def _encoder_digest(config: RunConfig) -> str:
    """Keeps a cached model from being taken for that of an encoder whose files have changed."""
    named = encoder_config(config.model)
    return encoder_digest(named.encoder, num_layers=named.num_layers) if named is not None else ""


def resolve_text(config: RunConfig) -> TextConfig:
    """Decides what texts are cut into.

    Args:
        config: The configuration.

    Returns:
        Its section `text` with `vocabulary` and `lowercase` set: what it says, or else what the encoder asks for.

    Raises:
        AgnewsError: The encoder or the vocabulary cannot be found or is damaged, or they do not belong together.
    """
    named = encoder_config(config.model)
    encoder = named.encoder if named is not None else None
    source = config.text.vocabulary or encoder or EMBEDDED
    if source == LEARN:
        return _learnt_text(config, encoder)
    found = find_vocabulary(source)
    lowercase = found.do_lower_case if config.text.lowercase is None else config.text.lowercase
    if encoder is not None:
        wanted = find_vocabulary(encoder)
        if found.vocabulary.digest != wanted.vocabulary.digest:
            raise AgnewsError(
                f"Texts are cut into other word pieces than those that the encoder {encoder} knows.",
                found=f"text.vocabulary {source} with digest {found.vocabulary.digest}, the encoder's has "
                f"{wanted.vocabulary.digest}",
                fix="Leave text.vocabulary out: it follows the encoder.",
            )
        if lowercase != wanted.do_lower_case:
            raise AgnewsError(
                f"Texts {'lose' if lowercase else 'keep'} their case, which the encoder {encoder} does not expect.",
                found=f"text.lowercase {str(lowercase).lower()}",
                fix="Leave text.lowercase out: it follows the encoder.",
            )
    return config.text.model_copy(update={"vocabulary": source, "lowercase": lowercase})


def _learnt_text(config: RunConfig, encoder: str | None) -> TextConfig:
    if encoder is not None:
        raise AgnewsError(
            f"A model of the kind {config.model.kind} cannot learn its own word pieces: its encoder knows others.",
            found=f"text.vocabulary {LEARN}, {network_section(config.model)[0]}.encoder {encoder}",
            fix="Leave text.vocabulary out, or take --model transformer or --model linear.",
        )
    lowercase = True if config.text.lowercase is None else config.text.lowercase
    return config.text.model_copy(update={"vocabulary": LEARN, "lowercase": lowercase})
