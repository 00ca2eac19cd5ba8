"""The word pieces that an encoder asks for, found without converting it."""

from __future__ import annotations

from pathlib import Path

from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.find_encoder import SAVED_MODEL, find_encoder
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.components.encoders.tokenizer_description import EncoderText
from agnews.components.text.vocabulary import EMBEDDED, load_vocabulary


def find_vocabulary(source: str, *, cache_dir: Path | None = None) -> EncoderText:
    """Finds out how texts have to be cut for an encoder. TensorFlow is loaded for a SavedModel only.

    Args:
        source: See `resolve_encoder`; or the path or URI of a file `*.txt`, which drops case if it has no capitals.
        cache_dir: See `EncoderCache`.

    Returns:
        The word pieces, and whether case is dropped. The vocabulary's own source is `minilm` or the path of a file.

    Raises:
        AgnewsError: The encoder cannot be found, is damaged, or is no BERT.
    """
    if source.endswith(".txt"):
        vocabulary = load_vocabulary(source)
        return EncoderText(vocabulary, not vocabulary.is_cased)
    folder = find_encoder(source, EncoderCache(cache_dir))
    if (folder / SAVED_MODEL).is_file():
        from agnews.components.encoders.saved_encoder import open_saved_encoder

        saved = open_saved_encoder(folder)
        return EncoderText(load_vocabulary(str(saved.vocabulary_file)), saved.do_lower_case)
    checkpoint = open_checkpoint(folder)
    vocabulary = load_vocabulary(EMBEDDED) if source == EMBEDDED else checkpoint.vocabulary
    return EncoderText(vocabulary, checkpoint.do_lower_case)
