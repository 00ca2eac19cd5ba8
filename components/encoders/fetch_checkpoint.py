"""A checkpoint from the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agnews.components.encoders.download import OnProgress, download
from agnews.components.encoders.hugging_face_checkpoint import (
    CONFIG,
    PICKLES,
    TOKENIZER,
    WEIGHTS,
    open_checkpoint,
    refused_weights,
)
from agnews.components.encoders.read_word_pieces import FAST_TOKENIZER, VOCABULARY
from agnews.components.encoders.source_record import SourceRecord, read_source_record
from agnews.schemas.errors import AgnewsError, ExitCode

_ENDPOINT = "https://huggingface.co"
_ABOUT = ".about.json"


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
        raise AgnewsError("HF_ENDPOINT is no address.", found=endpoint, fix=f"Unset it, or set it to {_ENDPOINT}")
    token = os.environ.get("HF_TOKEN", "")
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
            f"{handle} is not a BERT encoder.",
            found=f"no {', '.join(missing)} among {', '.join(sorted(files)) or 'no file'}",
            fix=f"Use one that has {CONFIG}, {VOCABULARY} and {WEIGHTS}.",
        )
    return [files[name] for name in (CONFIG, vocabulary, TOKENIZER, WEIGHTS) if name in files]


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
