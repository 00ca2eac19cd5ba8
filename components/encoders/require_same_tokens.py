"""An encoder only understands the tokens that it was trained on."""

from __future__ import annotations

from agnews.components.encoders.encoder import Encoder
from agnews.components.text.vocabulary import Vocabulary
from agnews.schemas.errors import AgnewsError


def require_same_tokens(encoder: Encoder, vocabulary: Vocabulary, *, lowercase: bool, max_length: int) -> None:
    """Checks that texts are cut into word pieces the way that an encoder needs.

    Args:
        encoder: The encoder.
        vocabulary: Word pieces that texts are cut into.
        lowercase: Whether texts lose case and accents before that.
        max_length: Longest sequence that is made.

    Raises:
        AgnewsError: The vocabulary, the handling of case, or the length is another than the encoder's.
    """
    if vocabulary.digest != encoder.vocabulary_digest:
        raise AgnewsError(
            f"Texts are cut into other word pieces than those that the encoder {encoder.source} knows.",
            found=f"vocabulary {vocabulary.source} with digest {vocabulary.digest}, the encoder's has "
            f"{encoder.vocabulary_digest}",
            fix=f"Set the encoder's own: `--set text.vocabulary={encoder.vocabulary_file}`",
        )
    if lowercase != encoder.do_lower_case:
        raise AgnewsError(
            f"Texts {'lose' if lowercase else 'keep'} their case, which the encoder {encoder.source} does not expect.",
            found=f"text.lowercase {str(lowercase).lower()}",
            fix=f"Set it: `--set text.lowercase={str(encoder.do_lower_case).lower()}`",
        )
    if max_length > encoder.max_length:
        raise AgnewsError(
            f"Texts may be longer than the encoder {encoder.source} can read.",
            found=f"text.max_length {max_length}, the encoder has {encoder.max_length} positions",
            fix=f"Set at most that: `--set text.max_length={encoder.max_length}`",
        )
