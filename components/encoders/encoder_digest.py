"""Whether an encoder is still the same, asked without converting it."""

from __future__ import annotations

from pathlib import Path

from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.find_encoder import SAVED_MODEL, digest_saved_model, find_encoder
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint


def encoder_digest(source: str, *, num_layers: int | None = None, cache_dir: Path | None = None) -> str:
    """Reads the files that an encoder is made of. Neither converts anything nor loads TensorFlow, nor uses a network.

    Args:
        source: See `resolve_encoder`.
        num_layers: Layers of a checkpoint that are kept; None keeps all.
        cache_dir: See `EncoderCache`.

    Returns:
        sha256, lower-case hexadecimal, that changes with those files and with num_layers. It is not
        `Encoder.digest`, which changes with the way of conversion too.

    Raises:
        AgnewsError: It cannot be found, or a checkpoint is damaged, is no BERT, or has fewer layers.
    """
    folder = find_encoder(source, EncoderCache(cache_dir))
    if (folder / SAVED_MODEL).is_file():
        # It has no layers that could be left out; `resolve_encoder` refuses to.
        return digest_saved_model(folder)
    return open_checkpoint(folder, num_layers=num_layers).digest
