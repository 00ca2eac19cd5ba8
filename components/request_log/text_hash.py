"""A text's digest, where the text itself is not to be kept."""

from __future__ import annotations

import hashlib

from agnews.components.corpus_files.text_key import normalize


def text_hash(text: str) -> str:
    """Digests the normal form of a text, so that copies that differ in case, spaces or markup have one digest.

    It is not secret: whoever guesses a text can tell whether it was sent.

    Args:
        text: A text.

    Returns:
        128 bits of BLAKE2b, hexadecimal.
    """
    return hashlib.blake2b(normalize(text).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
