"""From what a configuration leaves open about texts to what a run does."""

from __future__ import annotations

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.text.vocabulary import EMBEDDED
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig, TextConfig, TransformerConfig


def settle_text(config: RunConfig) -> TextConfig:
    """Decides what texts are cut into.

    Args:
        config: The configuration.

    Returns:
        Its section `text` with `vocabulary` and `lowercase` set: what it says, or else what the encoder asks for.

    Raises:
        AgnewsError: The encoder or the vocabulary cannot be found or is damaged, or they do not belong together.
    """
    encoder = None if isinstance(config.model, TransformerConfig) else config.model.encoder
    source = config.text.vocabulary or encoder or EMBEDDED
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
