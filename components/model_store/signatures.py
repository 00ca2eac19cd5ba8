"""Signatures of pushed versions: who says that these files are the ones that were pushed.

A digest in a store tells that files have changed, and whoever may write to the store may write another digest. A
signature tells that the holder of a key has seen them. It is made with Sigstore's model-signing and a local key of
elliptic curves, and any tool that knows this format can check it. What is signed is the whole folder of the version,
its record among the files: the run, the data and the fingerprint of configuration and code that led to it.

References:
    https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agnews.components.model_store.model_store import ModelStore
from agnews.components.model_store.signature_file import signature_path
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_record import ModelRecord

_INSTALL = "Install it: pip install 'agnews[sign]'"


def sign_version(store: ModelStore, version: str, key: Path, password: SecretStr | None = None) -> str:
    """Signs a version, in the place of a signature that it may have.

    The files are compared with the digest of the store before.

    Args:
        store: The store.
        version: Its number.
        key: Private key, PEM, of an elliptic curve.
        password: Of the key.

    Returns:
        Path or URI of the signature, a Sigstore bundle.

    Raises:
        AgnewsError: There is no such version, it is corrupt, the key cannot be used, or model-signing is not installed.
    """
    signing = _library("signing")
    _require_file(key, "private key")
    path = signature_path(store, version)
    with _copied(store, version) as (copy, _):
        bundle = copy.parent / "signature"
        # Bytes: the library says that it wants a text, and hands it on to one that wants bytes.
        secret = password.get_secret_value().encode() if password else None
        try:
            config = signing.Config().use_elliptic_key_signer(private_key=key, password=secret)
            config.set_hashing_config(_hashing()).sign(copy, bundle)
        except Exception as error:
            # The library raises whatever its own libraries do: TypeError for a password that is missing.
            raise AgnewsError(
                "The version could not be signed.",
                found=f"{type(error).__name__}: {error} (key {key})",
                fix="Name a private key of the curve P-256, P-384 or P-521 in a PEM file, and --password-file where it "
                "is encrypted. A new one: openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
            ) from error
        with explain_storage_errors(f"writing {path}"):
            store.files.write(path, [bundle.read_bytes()])
    return path


def verify_version(store: ModelStore, version: str, key: Path) -> ModelRecord:
    """Checks that a version is, file by file, what the holder of a key has signed.

    Args:
        store: The store.
        version: Its number.
        key: Public key, PEM.

    Returns:
        The record of the version, which is signed too.

    Raises:
        AgnewsError: There is no such version or no signature of it, it is of another key, or files are other ones.
    """
    verifying = _library("verifying")
    _require_file(key, "public key")
    path = signature_path(store, version)
    with _copied(store, version) as (copy, record):
        with explain_storage_errors(f"reading {path}"):
            if not store.files.exists(path):
                raise AgnewsError(
                    f"Version {version} of {store.name} is not signed.",
                    found=f"no {path}",
                    fix=f"agnews models sign {version} --key FILE",
                    exit_code=ExitCode.FAILED,
                )
            bundle = copy.parent / "signature"
            bundle.write_bytes(store.files.read_bytes(path))
        try:
            config = verifying.Config().use_elliptic_key_verifier(public_key=key)
            config.set_hashing_config(_hashing()).verify(copy, bundle)
        except Exception as error:
            raise AgnewsError(
                f"Version {version} of {store.name} is not what the holder of this key has signed.",
                found=f"{error or type(error).__name__} ({path}, key {key})",
                fix="Do not use it before you know why: the key may be another one, or somebody has changed files.",
                exit_code=ExitCode.FAILED,
            ) from error
    return record


def _library(name: str) -> Any:
    try:
        return importlib.import_module(f"model_signing.{name}")
    except ImportError as error:
        raise AgnewsError("Signatures need the package model-signing.", found=error, fix=_INSTALL) from error


def _hashing() -> Any:
    # By default what belongs to Git is passed over: files that nobody has signed would be let in.
    return _library("hashing").Config().set_ignored_paths(paths=[], ignore_git_paths=False)


def _require_file(key: Path, what: str) -> None:
    if not key.is_file():
        raise AgnewsError(f"There is no {what} in this place.", found=key, fix="Name the PEM file with --key.")


@contextmanager
def _copied(store: ModelStore, version: str) -> Iterator[tuple[Path, ModelRecord]]:
    with tempfile.TemporaryDirectory(prefix="agnews-signature-") as scratch:
        copy = Path(scratch) / version
        yield copy, store.fetch(version, str(copy))
