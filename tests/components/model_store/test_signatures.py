"""A signature holds for the files, the record and the number of a version, and for one key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from agnews.components.model_store import ModelStore
from agnews.components.model_store.prune import prune
from agnews.components.model_store.publish import publish
from agnews.components.model_store.signature_file import signature_path
from agnews.components.model_store.signatures import sign_version, verify_version
from agnews.schemas.errors import AgnewsError

Change = Callable[[Path], object]


def push(store: ModelStore, folder: Path, content: str) -> str:
    folder.mkdir()
    (folder / "variables").mkdir()
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.data-00000-of-00001").write_text(content * 1000)
    production = store.production()
    pushed = publish(
        store,
        model=str(folder),
        extra_files={},
        judged_against=production.version if production else "",
        fingerprint=content,
        run_id="run",
        accuracy=0.9,
        classes=("a", "b"),
    )
    return pushed.record.version


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and a public key, as openssl makes them."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return make_keys(tmp_path, "key", ec, serialization)


def make_keys(folder: Path, name: str, ec: object, serialization: object, password: bytes = b"") -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())  # type: ignore[attr-defined]
    s = serialization
    hidden = s.BestAvailableEncryption(password) if password else s.NoEncryption()  # type: ignore[attr-defined]
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, hidden))  # type: ignore[attr-defined]
    public.write_bytes(
        key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    )
    return private, public


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(str(tmp_path / "store"), "agnews")


def test_what_was_signed_is_verified_and_stays_the_version_that_it_is(
    store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    version = push(store, tmp_path / "a", "a")
    before = store.production()
    path = sign_version(store, version, keys[0])
    assert path == signature_path(store, version)
    assert verify_version(store, version, keys[1]) == before
    assert store.versions() == (version,)
    store.fetch(version, str(tmp_path / "copy"))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "saved_model.pb").write_text("b"),
        lambda folder: (folder / "more").write_text("x"),
        lambda folder: (folder / ".git").mkdir() or (folder / ".git" / "x").write_text("x"),
        lambda folder: (folder / "variables" / "variables.data-00000-of-00001").unlink(),
    ],
)
def test_whoever_may_write_to_the_store_cannot_change_what_was_signed(
    change: Change, store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    from agnews.components.model_store.model_digest import model_digest

    version = push(store, tmp_path / "a", "a")
    sign_version(store, version, keys[0])
    folder = Path(store.folder(version))
    before = store.record(version).model_digest
    change(folder)
    # Who may write to the store makes record and pointer fit.
    files = {path.relative_to(folder).as_posix(): str(path) for path in folder.rglob("*") if path.is_file()}
    digest = model_digest(files)
    for place in (folder / "assets.extra" / "record.json", Path(store.uri) / "latest.json"):
        place.write_text(place.read_text().replace(before, digest))
    with pytest.raises(AgnewsError, match="not what the holder of this key has signed"):
        verify_version(store, version, keys[1])


def test_a_record_that_was_changed_is_noticed(store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    version = push(store, tmp_path / "a", "a")
    sign_version(store, version, keys[0])
    record = Path(store.folder(version)) / "assets.extra" / "record.json"
    record.write_text(record.read_text().replace('"accuracy":0.9', '"accuracy":0.99').replace("0.9,", "0.99,"))
    with pytest.raises(AgnewsError, match="not what the holder of this key has signed"):
        verify_version(store, version, keys[1])


def test_a_signature_is_of_one_version_and_one_key(store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    first, second = push(store, tmp_path / "a", "a"), push(store, tmp_path / "b", "b")
    with pytest.raises(AgnewsError, match="is not signed"):
        verify_version(store, first, keys[1])
    sign_version(store, first, keys[0])
    Path(signature_path(store, second)).write_bytes(Path(signature_path(store, first)).read_bytes())
    with pytest.raises(AgnewsError, match="not what the holder"):
        verify_version(store, second, keys[1])
    other = make_keys(tmp_path, "other", ec, serialization)
    with pytest.raises(AgnewsError, match="not what the holder"):
        verify_version(store, first, other[1])


def test_a_key_with_a_password_needs_it_and_nothing_shows_it(store: ModelStore, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private, public = make_keys(tmp_path, "locked", ec, serialization, b"open sesame")
    version = push(store, tmp_path / "a", "a")
    for password in (None, SecretStr("wrong-word")):
        with pytest.raises(AgnewsError, match="could not be signed") as raised:
            sign_version(store, version, private, password)
        assert "wrong-word" not in str(raised.value)
    sign_version(store, version, private, SecretStr("open sesame"))
    verify_version(store, version, public)


def test_what_is_no_key_or_not_there_is_told(store: ModelStore, tmp_path: Path) -> None:
    version = push(store, tmp_path / "a", "a")
    with pytest.raises(AgnewsError, match="no private key in this place"):
        sign_version(store, version, tmp_path / "none.pem")
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(AgnewsError, match="could not be signed"):
        sign_version(store, version, tmp_path / "text.pem")


def test_a_signature_goes_with_its_version(store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    first = push(store, tmp_path / "a", "a")
    sign_version(store, first, keys[0])
    push(store, tmp_path / "b", "b")
    prune(store, 1)
    assert first not in store.versions()
    assert not Path(signature_path(store, first)).exists()


def test_the_command_line_signs_and_verifies(store: ModelStore, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    version = push(store, tmp_path / "a", "a")
    agnews = str(Path(sys.executable).parent / "agnews")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        place = ["--store", str(tmp_path / "store")]
        return subprocess.run([agnews, "models", *arguments, *place], capture_output=True, text=True)

    unsigned = run("verify", "--key", str(keys[1]))
    assert unsigned.returncode == 1
    assert "is not signed" in unsigned.stderr
    signed = run("sign", "--key", str(keys[0]), "--json")
    assert json.loads(signed.stdout)["version"] == version
    verified = run("verify", "--key", str(keys[1]))
    assert verified.returncode == 0, verified.stderr
    assert f"version {version} is what was signed" in verified.stdout
