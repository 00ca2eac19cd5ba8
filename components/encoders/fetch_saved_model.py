"""An encoder from TF Hub or Kaggle."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow_hub as hub

from agnews.components.encoders.download import refused, unreachable
from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.components.encoders.source_record import SourceRecord
from agnews.schemas.errors import AgnewsError


def fetch_saved_model(handle: str, folder: Path) -> None:
    """Downloads and unpacks a SavedModel the way TensorFlow Hub does.

    Args:
        handle: Its address with the version at the end.
        folder: Where to; it exists, and is replaced.

    Raises:
        AgnewsError: The address is none, the server does not answer or does not have it, or it is no BERT encoder.
    """
    if not handle.startswith(("http://", "https://")):
        raise AgnewsError(
            "Encoders are fetched over HTTP or HTTPS only.", found=handle, fix="Copy the folder, and use its path."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        with _cache_of_tensorflow_hub(scratch):
            unpacked = _resolve(handle)
        open_saved_encoder(unpacked)
        shutil.rmtree(folder)
        unpacked.rename(folder)
    SourceRecord(handle, "", handle, {}).write(folder)


def _resolve(handle: str) -> Path:
    try:
        return Path(hub.resolve(handle))
    except urllib.error.HTTPError as error:
        raise refused(handle, error) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise unreachable(handle, error) from error
    except (tarfile.TarError, OSError, EOFError) as error:
        if getattr(error, "errno", None) is not None:
            raise  # The disk's errors have a number; what TensorFlow Hub thinks of a file has none.
        raise AgnewsError(
            "The server sends something else than a packed SavedModel.",
            found=f"{error} ({handle})",
            fix="Use the address of the model's version, as its page on TF Hub or Kaggle shows it for TensorFlow 2.",
        ) from error


@contextmanager
def _cache_of_tensorflow_hub(folder: str) -> Iterator[None]:
    """The library takes the place to unpack to from the environment alone."""
    before = os.environ.get("TFHUB_CACHE_DIR")
    os.environ["TFHUB_CACHE_DIR"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["TFHUB_CACHE_DIR"]
        else:
            os.environ["TFHUB_CACHE_DIR"] = before
