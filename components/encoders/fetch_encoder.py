"""The one way of an encoder over the network."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from agnews.components.encoders.download import OnProgress
from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.fetch_checkpoint import fetch_checkpoint
from agnews.components.encoders.find_encoder import is_handle, is_hugging_face_id
from agnews.components.text.vocabulary import EMBEDDED
from agnews.schemas.errors import AgnewsError


def fetch_encoder(
    handle: str,
    *,
    cache_dir: Path | None = None,
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
) -> Path:
    """Downloads an encoder into the cache, unless it is there, so that `resolve_encoder` finds it.

    Args:
        handle: An address on TF Hub or Kaggle, or an id of the Hugging Face hub: NAME, OWNER/NAME or
            OWNER/NAME@REVISION.
        cache_dir: See `EncoderCache`.
        on_progress: Told after each piece of a checkpoint.
        attempts: Tries a file of a checkpoint without any progress in between.

    Returns:
        The folder that it is in.

    Raises:
        AgnewsError: It is no handle, cannot be fetched, or is no BERT encoder that can be used.
    """
    if handle == EMBEDDED or not (is_handle(handle) or is_hugging_face_id(handle)):
        raise AgnewsError(
            "This is nothing that can be fetched.",
            found=handle,
            fix="Name an address on TF Hub or Kaggle, or an id of the Hugging Face hub: OWNER/NAME or "
            f"OWNER/NAME@REVISION. `{EMBEDDED}` and folders need no fetching.",
        )
    cache = EncoderCache(cache_dir)
    folder = cache.fetched(handle)
    if is_handle(handle):
        # Imports TensorFlow, which takes seconds and which checkpoints do not need.
        from agnews.components.encoders.fetch_saved_model import fetch_saved_model

        cache.make(folder, partial(fetch_saved_model, handle))
    else:
        fetch = partial(fetch_checkpoint, handle, on_progress=on_progress, attempts=attempts)
        cache.make(folder, fetch, resume=True)
    return folder
