from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from agnews.components.encoders.encoder_cache import EncoderCache, read_source_record
from agnews.components.encoders.encoder_lock import LockedEncoder, fetched_digest
from agnews.components.encoders.fetch_encoder import fetch_encoder
from agnews.components.encoders.find_encoder import find_encoder
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.components.storage import resume_download as downloading
from agnews.schemas.errors import AgnewsError

COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"
WEIGHTS = f"/owner/tiny/resolve/{COMMIT}/model.safetensors"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading.time, "sleep", lambda _: None)


@pytest.fixture
def hub(server, recordings: Path, monkeypatch: pytest.MonkeyPatch):
    """The server, answering as the Hugging Face hub does for owner/tiny."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    siblings = []
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors", "outputs.npz"):
        content = (recordings / "cased" / name).read_bytes()
        server.files[f"/owner/tiny/resolve/{COMMIT}/{name}"] = content
        about = {
            "rfilename": name,
            "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest(),
            "size": len(content),
        }
        if name == "model.safetensors":
            about["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        siblings.append(about)
    answer = json.dumps({"sha": COMMIT, "siblings": siblings}).encode()
    for revision in ("main", "v1.0"):
        server.files[f"/api/models/owner/tiny/revision/{revision}"] = answer
    return server


def test_a_checkpoint_is_fetched_once_and_found_by_its_name(hub, recordings: Path, tmp_path: Path) -> None:
    folder = fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert find_encoder("owner/tiny", EncoderCache(tmp_path)) == folder
    assert open_checkpoint(folder).digest == open_checkpoint(recordings / "cased").digest
    names = ["config.json", "model.safetensors", "source.json", "tokenizer_config.json", "vocab.txt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    asked = len(hub.requests)
    assert fetch_encoder("owner/tiny", cache_dir=tmp_path) == folder
    assert len(hub.requests) == asked


def test_the_commit_is_recorded(hub, tmp_path: Path) -> None:
    record = read_source_record(fetch_encoder("owner/tiny@v1.0", cache_dir=tmp_path))
    assert record is not None
    assert (record.handle, record.revision) == ("owner/tiny@v1.0", COMMIT)
    assert hub.requests[0][0] == "/api/models/owner/tiny/revision/v1.0"


def test_a_download_that_is_cut_goes_on(hub, tmp_path: Path) -> None:
    hub.cut_after[WEIGHTS] = 10_000
    folder = fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert (WEIGHTS, "bytes=10000-") in hub.requests
    assert open_checkpoint(folder).has_pooler


def test_a_later_call_goes_on_where_an_earlier_one_was_cut(hub, tmp_path: Path) -> None:
    hub.cut_after[WEIGHTS] = 10_000
    with pytest.raises(AgnewsError, match=r"no network(?s:.*)closed after 10000 of"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path, attempts=1)
    hub.requests.clear()
    fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert [each for each in hub.requests if "resolve" in each[0]] == [(WEIGHTS, "bytes=10000-")]


def test_what_was_left_of_another_commit_is_not_used(hub, tmp_path: Path) -> None:
    hub.cut_after[WEIGHTS] = 10_000
    with pytest.raises(AgnewsError):
        fetch_encoder("owner/tiny", cache_dir=tmp_path, attempts=1)
    name = "/api/models/owner/tiny/revision/main"
    hub.files[name] = hub.files[name].replace(COMMIT.encode(), b"0" * 40)
    hub.files |= {path.replace(COMMIT, "0" * 40): content for path, content in hub.files.items()}
    hub.requests.clear()
    record = read_source_record(fetch_encoder("owner/tiny", cache_dir=tmp_path))
    assert record is not None
    assert record.revision == "0" * 40
    assert all(wanted is None for _, wanted in hub.requests)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_other_bytes_than_announced_are_removed(name: str, hub, tmp_path: Path) -> None:
    path = f"/owner/tiny/resolve/{COMMIT}/{name}"
    hub.files[path] = hub.files[path][:-1] + bytes([hub.files[path][-1] ^ 1])
    with pytest.raises(AgnewsError, match=f"What came for {name} is not what the hub announced"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert list(EncoderCache(tmp_path).folders()) == []
    assert not list(tmp_path.rglob(name))


def test_a_checkpoint_is_fetched_without_tensorflow(hub, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from agnews.components.encoders.fetch_encoder import fetch_encoder\n"
        "fetch_encoder('owner/tiny', cache_dir=Path(sys.argv[1]))\n"
        "print([name for name in ('tensorflow', 'tensorflow_hub') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert find_encoder("owner/tiny", EncoderCache(tmp_path))


def test_a_private_encoder_that_was_renamed_is_fetched_with_the_token(
    hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.files["/api/models/owner/new/revision/main"] = hub.files.pop("/api/models/owner/tiny/revision/main")
    hub.moved["/api/models/owner/tiny/revision/main"] = "/api/models/owner/new/revision/main"
    fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert set(hub.tokens) == {"Bearer secret"}


def test_a_token_is_sent_to_the_hub(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert set(hub.tokens) == {"Bearer secret"}


def test_a_repository_of_pickles_is_refused_before_anything_is_downloaded(hub, tmp_path: Path) -> None:
    name = "/api/models/owner/tiny/revision/main"
    hub.files[name] = hub.files[name].replace(b"model.safetensors", b"pytorch_model.bin")
    with pytest.raises(AgnewsError, match="pickle, which can run any program"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path)
    assert len(hub.requests) == 1


def test_a_repository_of_something_else_is_refused(hub, tmp_path: Path) -> None:
    name = "/api/models/owner/tiny/revision/main"
    hub.files[name] = hub.files[name].replace(b"vocab.txt", b"merges.txt")
    with pytest.raises(AgnewsError, match=r"no vocab\.txt among config\.json, merges\.txt"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path)


def test_a_name_that_is_not_there_is_an_error(hub, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"does not give out(?s:.*)HTTP 404"):
        fetch_encoder("owner/none", cache_dir=tmp_path)


def test_a_page_that_is_not_the_hub_is_an_error(hub, tmp_path: Path) -> None:
    hub.files["/api/models/owner/tiny/revision/main"] = b"<html>Please log in</html>"
    with pytest.raises(AgnewsError, match="something else than the Hugging Face hub"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path)


@pytest.mark.parametrize("handle", ["owner/tiny", "http://127.0.0.1:9/owner/tiny/1"])
def test_without_network_the_error_names_the_way_by_hand(
    handle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AgnewsError, match=r"no network(?s:.*)Connection refused(?s:.*)copy the folder"):
        fetch_encoder(handle, cache_dir=tmp_path)
    assert list(EncoderCache(tmp_path).folders()) == []


@pytest.mark.parametrize("handle", ["minilm", "gs://bucket/model", "a/b/c", "not a name", "../up"])
def test_what_is_no_handle_is_not_fetched(handle: str, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"nothing that can be fetched|over HTTP"):
        fetch_encoder(handle, cache_dir=tmp_path)


def pack(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    return packed.getvalue()


def test_a_handle_of_tf_hub_is_fetched_once_and_found(server, tf_hub_encoder: Path, tmp_path: Path) -> None:
    server.files["/tensorflow/tiny_bert/1"] = pack(tf_hub_encoder)
    handle = f"{server.url}/tensorflow/tiny_bert/1"
    folder = fetch_encoder(handle, cache_dir=tmp_path)
    assert find_encoder(handle, EncoderCache(tmp_path)) == folder
    assert (folder / "saved_model.pb").read_bytes() == (tf_hub_encoder / "saved_model.pb").read_bytes()
    assert fetch_encoder(handle, cache_dir=tmp_path) == folder
    assert len(server.requests) == 1
    assert {path.name for path in folder.iterdir()} >= {"saved_model.pb", "source.json"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_encoder_is_the_one_that_was_named_by_its_digest(server, tf_hub_encoder: Path, tmp_path: Path) -> None:
    server.files["/1"] = pack(tf_hub_encoder)
    handle = f"{server.url}/1"
    digest = fetched_digest(fetch_encoder(handle, cache_dir=tmp_path / "here"))
    fetch_encoder(handle, cache_dir=tmp_path / "there", expected=LockedEncoder(digest))
    other = LockedEncoder("0" * 64)
    with pytest.raises(AgnewsError, match=f"another encoder(?s:.*){digest}(?s:.*)expected 0000"):
        fetch_encoder(handle, cache_dir=tmp_path / "elsewhere", expected=other)
    assert list(EncoderCache(tmp_path / "elsewhere").folders()) == []
    with pytest.raises(AgnewsError, match="another encoder"):
        fetch_encoder(handle, cache_dir=tmp_path / "here", expected=other)


def test_a_locked_checkpoint_is_fetched_at_its_commit(hub, tmp_path: Path) -> None:
    digest = fetched_digest(fetch_encoder("owner/tiny", cache_dir=tmp_path / "here"))
    name = "/api/models/owner/tiny/revision/"
    hub.files[name + COMMIT] = hub.files.pop(f"{name}main")
    locked = LockedEncoder(digest, COMMIT)
    folder = fetch_encoder("owner/tiny", cache_dir=tmp_path / "there", expected=locked)
    assert find_encoder("owner/tiny", EncoderCache(tmp_path / "there")) == folder
    (folder / "config.json").write_text("{}")
    with pytest.raises(AgnewsError, match="another encoder"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path / "there", expected=locked)


def test_more_than_the_hub_announces_is_not_taken_in(hub, tmp_path: Path) -> None:
    hub.files[WEIGHTS] += b"\0"
    with pytest.raises(AgnewsError, match="sends more than it should"):
        fetch_encoder("owner/tiny", cache_dir=tmp_path)


def test_a_switch_that_turns_certificates_off_is_refused(
    server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFHUB_DISABLE_CERT_VALIDATION", "true")
    with pytest.raises(AgnewsError, match="prove who they are"):
        fetch_encoder(f"{server.url}/1", cache_dir=tmp_path)
    assert not server.requests


@pytest.mark.parametrize("handle", ["http://hub.example/owner/tiny/1", "owner/tiny"])
def test_an_encoder_does_not_come_over_http(handle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    with pytest.raises(AgnewsError, match="over HTTPS only"):
        fetch_encoder(handle, cache_dir=tmp_path)


def test_an_archive_that_leads_elsewhere_is_refused(server, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../escaped")
        archive.addfile(info, io.BytesIO())
    server.files["/1"] = packed.getvalue()
    with pytest.raises(AgnewsError, match="would lead out"):
        fetch_encoder(f"{server.url}/1", cache_dir=tmp_path)
    assert not list(tmp_path.rglob("escaped"))
    assert not list(tmp_path.rglob(".packed"))


def test_a_handle_of_something_else_is_refused(server, tmp_path: Path) -> None:
    server.files["/page"] = b"<html>"
    with pytest.raises(AgnewsError, match="archive is none"):
        fetch_encoder(f"{server.url}/page", cache_dir=tmp_path)
    with pytest.raises(AgnewsError, match=r"does not give out(?s:.*)HTTP 404"):
        fetch_encoder(f"{server.url}/none", cache_dir=tmp_path)
    assert list(EncoderCache(tmp_path).folders()) == []
