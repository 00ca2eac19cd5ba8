"""The one way of an encoder over the network."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from agnews.components.encoders.download import OnProgress, download, refused, unreachable
from agnews.components.encoders.encoder_cache import EncoderCache, SourceRecord, read_source_record
from agnews.components.encoders.find_encoder import is_handle, is_hugging_face_id
from agnews.components.encoders.hugging_face_checkpoint import (
    CONFIG,
    PICKLES,
    WEIGHTS,
    open_checkpoint,
    refused_weights,
)
from agnews.components.encoders.tokenizer_description import FAST_TOKENIZER, TOKENIZER, VOCABULARY
from agnews.components.model_trust.require_harmless import require_harmless
from agnews.components.storage.read_secret import hide_credentials, read_secret, require_no_credentials
from agnews.components.text.vocabulary import EMBEDDED
from agnews.schemas.errors import AgnewsError, ExitCode

_ENDPOINT = "https://huggingface.co"
_ABOUT = ".about.json"
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class _Published:
    """A file as the hub describes it: large ones by sha256, others by Git's own digest."""

    name: str
    algorithm: str
    digest: str

    def digest_of(self, path: Path) -> str:
        if self.algorithm == "sha256":
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch_checkpoint(
    handle: str, folder: Path, *, on_progress: OnProgress = lambda *_: None, attempts: int = 4
) -> None:
    """Downloads what an encoder needs of a repository, at the commit that the revision stands for now.

    The environment variable HF_ENDPOINT names a mirror, HF_TOKEN a token for what is not public.

    Args:
        handle: NAME or OWNER/NAME, perhaps with @REVISION behind it: a branch, a tag or a commit.
        folder: Where to. What is there of the same commit is not fetched again.
        on_progress: Told after each piece.
        attempts: Tries a file without any progress in between.

    Raises:
        AgnewsError: The hub does not answer or does not have it, it has no model.safetensors, a file is not what was
            announced, or it is no BERT.
    """
    endpoint = os.environ.get("HF_ENDPOINT", _ENDPOINT).rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        raise AgnewsError(
            "HF_ENDPOINT is no address.", found=hide_credentials(endpoint), fix=f"Unset it, or set it to {_ENDPOINT}"
        )
    require_no_credentials(endpoint, "the hub (HF_ENDPOINT)")
    secret = read_secret("HF_TOKEN")
    token = secret.get_secret_value() if secret else ""
    _require_private(endpoint, token)
    name, _, revision = handle.partition("@")
    about = folder / _ABOUT
    about.unlink(missing_ok=True)
    address = f"{endpoint}/api/models/{name}/revision/{quote(revision or 'main', safe='')}?blobs=true"
    download(address, about, token=token, attempts=attempts)
    commit, files = _parse(about, address)
    about.unlink()
    wanted = _choose(handle, files)

    record = SourceRecord(handle, commit, f"{endpoint}/{name}", {each.name: each.digest for each in wanted})
    if read_source_record(folder) != record:
        # What an attempt has left behind may be of another commit.
        shutil.rmtree(folder)
        folder.mkdir()
        record.write(folder)
    for each in wanted:
        url = f"{endpoint}/{name}/resolve/{commit}/{each.name}"
        download(url, folder / each.name, token=token, on_progress=on_progress, attempts=attempts)
        _verify(folder / each.name, each, url)
    open_checkpoint(folder)


def _require_private(endpoint: str, token: str) -> None:
    parts = urlsplit(endpoint)
    if token and parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        raise AgnewsError(
            "HF_TOKEN would cross the network unencrypted.",
            found=endpoint,
            fix="Use an address with https:// as HF_ENDPOINT, or unset HF_TOKEN.",
        )


def _parse(about: Path, address: str) -> tuple[str, Mapping[str, _Published]]:
    try:
        content = json.loads(about.read_bytes())
        files = {
            each["rfilename"]: _Published(each["rfilename"], "sha256", each["lfs"]["sha256"])
            if each.get("lfs")
            else _Published(each["rfilename"], "git", each["blobId"])
            for each in content["siblings"]
        }
        return str(content["sha"]), files
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgnewsError(
            "The server answers something else than the Hugging Face hub does.",
            found=f"{error!r} in the answer of {address}",
            fix="Check HF_ENDPOINT, and whether a proxy asks for a login.",
            exit_code=ExitCode.FAILED,
        ) from error


def _choose(handle: str, files: Mapping[str, _Published]) -> list[_Published]:
    pickles = [name for name in PICKLES if name in files]
    if WEIGHTS not in files and pickles:
        raise refused_weights(handle, pickles[0])
    vocabulary = FAST_TOKENIZER if FAST_TOKENIZER in files and VOCABULARY not in files else VOCABULARY
    missing = [name for name in (CONFIG, vocabulary, WEIGHTS) if name not in files]
    if missing:
        raise AgnewsError(
            f"{handle} is not an encoder that can be used.",
            found=f"no {', '.join(missing)} among {', '.join(sorted(files)) or 'no file'}",
            fix=f"Use one that has {CONFIG}, {VOCABULARY} and {WEIGHTS}.",
        )
    return [files[name] for name in (CONFIG, VOCABULARY, FAST_TOKENIZER, TOKENIZER, WEIGHTS) if name in files]


def _verify(path: Path, published: _Published, url: str) -> None:
    found = published.digest_of(path)
    if found != published.digest:
        path.unlink()
        raise AgnewsError(
            f"What came for {published.name} is not what the hub announced; it was removed.",
            found=f"{published.algorithm} digest {found} of {url}, announced is {published.digest}",
            fix="Run the same command again; if it goes on, look at what the server sends.",
            exit_code=ExitCode.FAILED,
        )


def fetch_encoder(
    handle: str,
    *,
    cache_dir: Path | None = None,
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
    trust: bool = False,
) -> Path:
    """Downloads an encoder into the cache, unless it is there, so that `resolve_encoder` finds it.

    Args:
        handle: An address on TF Hub or Kaggle, or an id of the Hugging Face hub: NAME, OWNER/NAME or
            OWNER/NAME@REVISION.
        cache_dir: See `EncoderCache`.
        on_progress: Told after each piece of a checkpoint.
        attempts: Tries a file of a checkpoint without any progress in between.
        trust: Whether a SavedModel may do more than compute. A checkpoint holds numbers only.

    Returns:
        The folder that it is in.

    Raises:
        AgnewsError: It is no handle, cannot be fetched, or is no BERT encoder that can be used.
    """
    # The cache's folder is named after it.
    require_no_credentials(handle, "the encoder")
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
        cache.make(folder, partial(fetch_saved_model, handle, trust=trust))
    else:
        fetch = partial(fetch_checkpoint, handle, on_progress=on_progress, attempts=attempts)
        cache.make(folder, fetch, resume=True)
    return folder


def fetch_saved_model(handle: str, folder: Path, *, trust: bool = False) -> None:
    """Downloads and unpacks a SavedModel the way TensorFlow Hub does.

    Args:
        handle: Its address with the version at the end.
        folder: Where to; it exists, and is replaced.
        trust: Whether to keep one that could do more than compute.

    Raises:
        AgnewsError: The address is none, the server does not answer or does not have it, or it is no BERT encoder, or
            holds operations that could reach files.
    """
    if not handle.startswith(("http://", "https://")):
        raise AgnewsError(
            "Encoders are fetched over HTTP or HTTPS only.", found=handle, fix="Copy the folder, and use its path."
        )
    # Imports TensorFlow, which takes seconds and which checkpoints do not need.
    from agnews.components.encoders.saved_encoder import open_saved_encoder

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        with _cache_of_tensorflow_hub(scratch):
            unpacked = _resolve(handle)
        if not trust:
            require_harmless(str(unpacked))
        open_saved_encoder(unpacked)
        shutil.rmtree(folder)
        unpacked.rename(folder)
    SourceRecord(handle, "", handle, {}).write(folder)


def _resolve(handle: str) -> Path:
    import tensorflow_hub as hub

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
