"""From the name of an encoder to a SavedModel on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from agnews.components.encoders.convert_checkpoint import CONVERTER_VERSION, convert_checkpoint
from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.find_encoder import SAVED_MODEL, digest_saved_model, find_encoder
from agnews.components.encoders.hugging_face_checkpoint import HuggingFaceCheckpoint, open_checkpoint
from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.errors import AgnewsError


@dataclass(frozen=True)
class Encoder:
    """Where an encoder is, and what has to be known before it is loaded.

    `folder` holds a SavedModel for `hub.KerasLayer(folder, trainable=...)`. It takes the dict `input_word_ids`,
    `input_mask` (1 on tokens, 0 on padding) and `input_type_ids`, each int32 (batch, length), and returns the dict

    - `sequence_output`: float32 (batch, length, hidden_dim), the last layer;
    - `encoder_outputs`: a list of such tensors, one a layer;
    - `pooled_output` and `default`: float32 (batch, hidden_dim), made of the first token.

    Attributes:
        source: What it was asked for by.
        folder: Local folder of the SavedModel.
        vocabulary_file: Its vocab.txt.
        vocabulary_digest: `Vocabulary.digest` of that file: the tokeniser's must be the same.
        do_lower_case: Whether texts lose case and accents before they are cut into word pieces.
        hidden_dim: Width of the outputs.
        num_layers: Transformer blocks.
        max_length: Longest sequence in word pieces.
        parameters: Weights that can be trained, counted one by one.
        has_pooler: False where the checkpoint came without the layer behind `pooled_output`. That is then the
            hyperbolic tangent of the first token's vector, and knows nothing; pool by the mean instead.
        takes_dropout_seed: Whether, in training, the dict of inputs may hold `dropout_seed`, int64 (2,), opaque: the
            same one drops the same values. Encoders of TF Hub draw from a generator of their own.
        digest: Changes whenever an output may change: sha256, lower-case hexadecimal.
        left_out: Tensors of the checkpoint that are not the encoder's, such as the head of a task.
    """

    source: str
    folder: Path
    vocabulary_file: Path
    vocabulary_digest: str
    do_lower_case: bool
    hidden_dim: int
    num_layers: int
    max_length: int
    parameters: int
    has_pooler: bool
    takes_dropout_seed: bool
    digest: str
    left_out: tuple[str, ...] = ()


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
    found = _describe(source, folder, digest=digest, has_pooler=checkpoint.has_pooler)
    return replace(found, left_out=checkpoint.left_out)


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
