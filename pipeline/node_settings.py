"""What nodes are told that depends on the model: it is known when a run starts, on a cluster only then."""

from __future__ import annotations

from typing import Any, TypedDict

from agnews.components.encoders.encoder_digest import encoder_digest
from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.schemas.run_config import RunConfig, TextConfig, TransformerConfig


class TokenLimits(TypedDict):
    """What TokenGate holds the tokens to."""

    max_length: int
    max_unknown_share: float


def transform_settings(text: TextConfig, code_version: str) -> dict[str, Any]:
    """Returns the `custom_config` of Transform.

    Args:
        text: From `settle_text`.
        code_version: Digest of the code behind the node.

    Raises:
        AgnewsError: The vocabulary cannot be found or is damaged.
    """
    return {
        **text.model_dump(),
        "vocabulary_digest": find_vocabulary(str(text.vocabulary)).vocabulary.digest,
        "code_version": code_version,
    }


def token_limits(text: TextConfig) -> TokenLimits:
    """Returns the limits of TokenGate.

    Args:
        text: From `settle_text`.
    """
    return TokenLimits(max_length=text.max_length, max_unknown_share=text.max_unknown_share)


def trainer_settings(config: RunConfig, text: TextConfig, scratch_uri: str, code_version: str) -> dict[str, Any]:
    """Returns the `custom_config` of the Trainer.

    Args:
        config: The configuration.
        text: Its section `text`, from `settle_text`.
        scratch_uri: Folder or URI that stays from run to run.
        code_version: Digest of the code behind the node.

    Raises:
        AgnewsError: The encoder cannot be found or is damaged.
    """
    return {
        "corpus": config.data.corpus,
        "text": text.model_dump(),
        "model": config.model.model_dump(),
        "encoder_digest": _encoder_digest(config),
        "training": config.training.model_dump(),
        "devices": config.devices.model_dump(),
        "scratch_uri": scratch_uri,
        "code_version": code_version,
    }


def _encoder_digest(config: RunConfig) -> str:
    """Keeps a cached model from being taken for that of an encoder whose files have changed."""
    if isinstance(config.model, TransformerConfig):
        return ""
    return encoder_digest(config.model.encoder, num_layers=config.model.num_layers)
