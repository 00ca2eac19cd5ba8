"""Where the signature of a version is kept: beside its folder, whose digest stays."""

from __future__ import annotations

from agnews.components.model_store.model_store import ModelStore


def signature_path(store: ModelStore, version: str) -> str:
    """Returns where the signature of a version is, whether it exists or not."""
    return f"{store.uri}/signatures/{version}.sigstore.json"


def remove_signature(store: ModelStore, version: str) -> None:
    """Removes the signature of a version that is removed."""
    store.files.remove_file(signature_path(store, version))
