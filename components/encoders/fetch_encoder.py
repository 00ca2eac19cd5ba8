"""The one way of an encoder over the network."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from agnews.components.encoders.download import OnProgress, download
from agnews.components.encoders.encoder_cache import EncoderCache, SourceRecord, read_source_record
from agnews.components.encoders.encoder_lock import LockedEncoder, fetched_digest
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
from agnews.components.storage.read_secret import read_secret, require_no_credentials
from agnews.components.storage.resume_download import require_safe_address
from agnews.components.storage.unpack_archive import unpack_archive
from agnews.components.text.vocabulary import EMBEDDED
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.hide_credentials import hide_credentials
from agnews.schemas.json_text import read_json

_ENDPOINT = "https://huggingface.co"
_ABOUT = ".about.json"
_MOST_BYTES_OF_LISTS = 64 << 20
_PACKED = ".packed"
_UNCHECKED = "TFHUB_DISABLE_CERT_VALIDATION"
_FORMAT = ("tf-hub-format", "compressed")
"""What TensorFlow Hub asks its servers for: the SavedModel as one archive."""


@dataclass(frozen=True)
class _Published:
    """A file as the hub describes it: large ones by sha256, others by Git's own digest."""

    name: str
    algorithm: str
    digest: str
    size: int | None

    def digest_of(self, path: Path) -> str:
        if self.algorithm == "sha256":
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def fetch_checkpoint(
    handle: str,
    folder: Path,
    *,
    commit: str = "",
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
) -> None:
    """Downloads what an encoder needs of a repository, at the commit that the revision stands for now.

    The environment variable HF_ENDPOINT names a mirror, HF_TOKEN a token for what is not public.

    Args:
        handle: NAME or OWNER/NAME, perhaps with @REVISION behind it: a branch, a tag or a commit.
        folder: Where to. What is there of the same commit is not fetched again.
        commit: Takes the place of the revision.
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
    require_safe_address(endpoint)
    name, _, revision = handle.partition("@")
    about = folder / _ABOUT
    about.unlink(missing_ok=True)
    address = f"{endpoint}/api/models/{name}/revision/{quote(commit or revision or 'main', safe='')}?blobs=true"
    download(address, about, token=token, attempts=attempts, most_bytes=_MOST_BYTES_OF_LISTS)
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
        download(
            url,
            folder / each.name,
            token=token,
            on_progress=on_progress,
            attempts=attempts,
            expected_bytes=each.size,
        )
        _verify(folder / each.name, each, url)
    open_checkpoint(folder)


def _parse(about: Path, address: str) -> tuple[str, Mapping[str, _Published]]:
    try:
        content = read_json(about.read_bytes())
        files = {
            each["rfilename"]: _Published(each["rfilename"], "sha256", each["lfs"]["sha256"], _size(each))
            if each.get("lfs")
            else _Published(each["rfilename"], "git", each["blobId"], _size(each))
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


def _size(about: Mapping[str, object]) -> int | None:
    size = about.get("size")
    return size if isinstance(size, int) else None


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
    expected: LockedEncoder | None = None,
) -> Path:
    """Downloads an encoder into the cache, unless it is there, so that `resolve_encoder` finds it.

    Args:
        handle: An address on TF Hub or Kaggle, or an id of the Hugging Face hub: NAME, OWNER/NAME or
            OWNER/NAME@REVISION.
        cache_dir: See `EncoderCache`.
        on_progress: Told after each piece of a checkpoint.
        attempts: Tries a file of a checkpoint without any progress in between.
        trust: Whether a SavedModel may do more than compute. A checkpoint holds numbers only.
        expected: What it has to be; None takes what comes.

    Returns:
        The folder that it is in.

    Raises:
        AgnewsError: It is no handle, cannot be fetched, is no BERT encoder that can be used, or is not the expected
            one.
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

    def fetch(target: Path) -> None:
        if is_handle(handle):
            fetch_saved_model(handle, target, trust=trust, on_progress=on_progress, attempts=attempts)
        else:
            commit = expected.revision if expected else ""
            fetch_checkpoint(handle, target, commit=commit, on_progress=on_progress, attempts=attempts)
        _require(target, expected, handle)

    cache.make(folder, fetch, resume=True)
    _require(folder, expected, handle)
    return folder


def _require(folder: Path, expected: LockedEncoder | None, handle: str) -> None:
    if expected is None or not expected.sha256:
        return
    found = fetched_digest(folder)
    if found != expected.sha256:
        raise AgnewsError(
            "This is another encoder than the one that was named by its digest; it is not used.",
            found=f"sha256 {found} of {handle} in {folder}, expected {expected.sha256}",
            fix="Find out why it has changed. If it is the right one now, name its digest; if what is on this machine "
            "is wrong, remove the folder and fetch again.",
            exit_code=ExitCode.FAILED,
        )


def fetch_saved_model(
    handle: str,
    folder: Path,
    *,
    trust: bool = False,
    on_progress: OnProgress = lambda *_: None,
    attempts: int = 4,
) -> None:
    """Downloads a SavedModel as TensorFlow Hub hands it out, and unpacks it within limits.

    Args:
        handle: Its address with the version at the end.
        folder: Where to; it exists. What is left there of an archive is not fetched again.
        trust: Whether to keep one that could do more than compute.
        on_progress: Told after each piece.
        attempts: Tries without any progress in between.

    Raises:
        AgnewsError: The address is none, the server does not answer or does not have it, or it is no BERT encoder, or
            holds operations that could reach files.
    """
    if os.environ.get(_UNCHECKED, "").lower() == "true":
        raise AgnewsError(
            "Encoders are fetched from servers only that prove who they are.",
            found=f"{_UNCHECKED}={os.environ[_UNCHECKED]}",
            fix=f"Unset {_UNCHECKED}. For an authority of your own: SSL_CERT_FILE=FILE.",
        )
    if not handle.startswith(("http://", "https://")):
        raise AgnewsError(
            "Encoders are fetched over HTTPS only.", found=handle, fix="Copy the folder, and use its path."
        )
    # Imports TensorFlow, which takes seconds and which checkpoints do not need.
    from agnews.components.encoders.saved_encoder import open_saved_encoder

    packed = folder / _PACKED
    parts = urlsplit(handle)
    query = "&".join(filter(None, (parts.query, urlencode([_FORMAT]))))
    download(urlunsplit(parts._replace(query=query)), packed, on_progress=on_progress, attempts=attempts)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as scratch:
        unpacked = Path(scratch) / "model"
        unpacked.mkdir()
        try:
            unpack_archive(packed, unpacked)
            if not trust:
                require_harmless(str(unpacked))
            open_saved_encoder(unpacked)
        except AgnewsError:
            # The next call must not find what is of no use.
            packed.unlink()
            raise
        shutil.rmtree(folder)
        unpacked.rename(folder)
    SourceRecord(handle, "", handle, {}).write(folder)
