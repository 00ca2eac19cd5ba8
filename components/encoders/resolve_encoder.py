"""From the name of an encoder to a SavedModel on this machine."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from agnews.components.encoders.convert_checkpoint import CONVERTER_VERSION, convert_checkpoint
from agnews.components.encoders.digest_saved_model import digest_saved_model
from agnews.components.encoders.encoder import Encoder
from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.find_encoder import SAVED_MODEL, find_encoder
from agnews.components.encoders.hugging_face_checkpoint import HuggingFaceCheckpoint, open_checkpoint
from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.components.text.vocabulary import load_vocabulary
from agnews.schemas.errors import AgnewsError


def resolve_encoder(
    source: str, *, cache_dir: Path | None = None, num_layers: int | None = None, compute_dtype: str = "float32"
) -> Encoder:
    """Finds an encoder, converts it if that was not done before, and describes it. Uses no network.

    Args:
        source: `minilm`, the encoder that comes with this project; the folder of a SavedModel or of a Hugging Face
            checkpoint; or what `agnews encoder fetch` was called with before.
        cache_dir: See `EncoderCache`.
        num_layers: Keep the first that many layers of a checkpoint; None keeps all.
        compute_dtype: Precision that its layers compute in: `float32`, `bfloat16` or `float16`.

    Returns:
        The encoder. The same source and number of layers give the same folder; the conversion happens once.

    Raises:
        AgnewsError: It cannot be found, is damaged, is no BERT, or cannot be cut.
    """
    cache = EncoderCache(cache_dir)
    folder = find_encoder(source, cache)
    if not (folder / SAVED_MODEL).is_file():
        return _convert(source, open_checkpoint(folder, num_layers=num_layers), cache, compute_dtype)
    if compute_dtype != "float32":
        raise AgnewsError(
            "A SavedModel computes in the precision that it was saved with.",
            found=f"{compute_dtype} for {source}",
            fix="Set the precision to float32, or use a Hugging Face checkpoint.",
        )
    if num_layers is not None:
        raise AgnewsError(
            "A SavedModel cannot be cut to fewer layers.",
            found=f"num_layers {num_layers} for {source}",
            fix="Leave num_layers out, or use a Hugging Face checkpoint.",
        )
    return _describe(source, folder)


def _convert(source: str, checkpoint: HuggingFaceCheckpoint, cache: EncoderCache, compute_dtype: str) -> Encoder:
    facts = f"{checkpoint.digest} {compute_dtype} {CONVERTER_VERSION}"
    digest = hashlib.sha256(facts.encode()).hexdigest()
    folder = cache.converted(digest)
    cache.make(folder, partial(convert_checkpoint, checkpoint, compute_dtype=compute_dtype))
    return _describe(source, folder, digest=digest, has_pooler=checkpoint.has_pooler)


def _describe(source: str, folder: Path, *, digest: str | None = None, has_pooler: bool = True) -> Encoder:
    saved = open_saved_encoder(folder)
    vocabulary = load_vocabulary(str(saved.vocabulary_file))
    if len(vocabulary) != saved.vocabulary_size:
        raise AgnewsError(
            f"The vocabulary in {folder} does not belong to its weights.",
            found=f"{len(vocabulary)} tokens in {saved.vocabulary_file.name}, {saved.vocabulary_size} embeddings",
            fix="Copy or fetch the encoder again.",
        )
    return Encoder(
        source=source,
        folder=folder,
        vocabulary_file=saved.vocabulary_file,
        vocabulary_digest=vocabulary.digest,
        do_lower_case=saved.do_lower_case,
        hidden_dim=saved.hidden_dim,
        num_layers=saved.num_layers,
        max_length=saved.max_length,
        parameters=saved.parameters,
        has_pooler=has_pooler,
        takes_dropout_seed=saved.takes_dropout_seed,
        digest=digest or digest_saved_model(folder),
    )
