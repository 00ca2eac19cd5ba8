"""What an object store that speaks S3 does with our requests; moto plays the store, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agnews.components.model_store.model_store import ModelStore
from agnews.components.storage.files_at import files_at
from agnews.components.storage.s3_files import connect_s3
from agnews.schemas.errors import AgnewsError


def test_objects_look_like_files(bucket: str) -> None:
    files = files_at(bucket)
    big = bytes(range(256)) * 50_000
    files.write(f"{bucket}/models/a/b/data", [big[:7_000_000], big[7_000_000:]])
    files.write(f"{bucket}/models/empty", [])
    assert b"".join(files.read(f"{bucket}/models/empty")) == b""
    files.remove_file(f"{bucket}/models/empty")
    files.replace(f"{bucket}/models/pointer.json", b"first")
    files.replace(f"{bucket}/models/pointer.json", b"second")
    assert files.names(f"{bucket}/models") == ["a", "pointer.json"]
    assert files.names(f"{bucket}/nothing") == []
    assert files.files_below(f"{bucket}/models") == ["a/b/data", "pointer.json"]
    assert b"".join(files.read(f"{bucket}/models/a/b/data")) == big
    assert b"".join(files.read(f"{bucket}/models/pointer.json".replace("s3://", "minio://"))) == b"second"
    assert files.exists(f"{bucket}/models/a")
    files.remove(f"{bucket}/models/a")
    files.remove(f"{bucket}/models/a")
    files.remove_file(f"{bucket}/models/pointer.json")
    files.remove_file(f"{bucket}/models/pointer.json")
    assert not files.exists(f"{bucket}/models/pointer.json")
    assert files.files_below(bucket) == []
    with pytest.raises(FileNotFoundError):
        list(files.read(f"{bucket}/models/pointer.json"))


def test_an_upload_that_was_cut_does_not_appear(bucket: str) -> None:
    def cut() -> Iterator[bytes]:
        yield bytes(12_000_000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files_at(bucket).write(f"{bucket}/half", cut())
    assert not files_at(bucket).exists(f"{bucket}/half")


def test_a_store_that_does_not_answer_is_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AgnewsError, match="The storage failed") as caught:
        ModelStore(bucket, "agnews").production()
    assert "Could not connect" in str(caught.value.found)


def test_an_endpoint_is_an_address() -> None:
    with pytest.raises(AgnewsError, match="is no address"):
        connect_s3({"AWS_ENDPOINT_URL": "minio:9000"})
