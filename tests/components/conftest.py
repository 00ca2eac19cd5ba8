"""Toys that tests of several components share: a model as small as can be, and rows as Transform hands them on."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from agnews.components.encoders.resolve_encoder import Encoder

KEYWORDS = (
    "president|minister|soldiers|parliament|troops|hostages",
    "coach|team|champion|olympic|touchdowns|league",
    "stocks|profit|merger|bankruptcy|reserve|shares",
    "software|scientists|processor|internet|computers|spacecraft",
)
"""One regular expression a class, in the order of AG News."""

ExportModel = Callable[..., Path]


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """Address of an object store that speaks S3 over HTTP, in memory."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and an environment that leads to it."""
    from pyarrow.fs import S3FileSystem

    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "ours",
        "AWS_SECRET_ACCESS_KEY": "nobody knows",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    address = object_store.partition("://")[2]
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    S3FileSystem(endpoint_override=address, scheme="http", region="us-east-1", allow_bucket_creation=True).create_dir(
        name
    )
    return f"s3://{name}"


@pytest.fixture(scope="session")
def export_model(tmp_path_factory: pytest.TempPathFactory) -> ExportModel:
    """Exports a SavedModel that looks for keywords, with the signatures of the real one.

    Called with `keywords` (one expression a class), `sharpness` (how sure it is), and `flaw`: `nan` (no probabilities
    for texts that hold `qqq`), `one_class`, `unstable` (random), or `fails` (raises). With `explains`, it also tells
    words: a keyword of the predicted class contributes 2, one of another class -1, any other word 0; it reads 40 words.
    """
    import tensorflow as tf

    def export(
        *,
        keywords: Sequence[str] = KEYWORDS,
        sharpness: float = 3.0,
        flaw: str = "",
        class_names: Sequence[str] = ("World", "Sports", "Business", "Sci/Tech"),
        explains: bool = False,
    ) -> Path:
        def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
            lower = tf.strings.lower(text)
            found = [tf.strings.regex_full_match(lower, f"(?s).*({words}).*") for words in keywords]
            if flaw == "fails":
                lower = tf.debugging.check_numerics(tf.strings.to_number(lower), "not a number")[:, None]
            scores = sharpness * tf.cast(tf.stack(found, axis=1), tf.float32)
            if flaw == "one_class":
                scores += 100.0 * tf.one_hot([1], len(keywords))
            if flaw == "unstable":
                scores += tf.random.normal(tf.shape(scores))
            probabilities = tf.nn.softmax(scores)
            if flaw == "nan":
                broken = tf.strings.regex_full_match(lower, "(?s).*qqq.*")
                probabilities = tf.where(broken[:, None], float("nan"), probabilities)
            class_id = tf.argmax(probabilities, axis=1)
            label = tf.gather(tf.constant(class_names), class_id)
            return {"class_id": class_id, "label": label, "probabilities": probabilities}

        def text_of(examples: tf.Tensor) -> tf.Tensor:
            return tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]

        def tokens(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            words = tf.strings.split(tf.strings.join(["[CLS] ", text_of(examples)]))
            ids = tf.strings.to_hash_bucket_fast(words, 1000) + 1
            return {"token_ids": ids.to_tensor(), "padding_mask": tf.ones_like(ids, tf.bool).to_tensor()}

        folder = tmp_path_factory.mktemp("model")
        module = tf.Module()
        texts, examples = (tf.TensorSpec([None], tf.string, name) for name in ("text", "examples"))
        module.answer = tf.function(answer, input_signature=[texts])
        module.answer_examples = tf.function(lambda examples: answer(text_of(examples)), input_signature=[examples])
        module.tokens = tf.function(tokens, input_signature=[examples])
        signatures = {
            "serving_default": module.answer,
            "serving_examples": module.answer_examples,
            "transform_features": module.tokens,
        }
        if explains:
            module.explain = tf.function(partial(_explain, answer, keywords), input_signature=[texts])
            signatures["explain"] = module.explain
        tf.saved_model.save(module, str(folder), signatures=signatures)
        return folder

    return export


def _explain(answer: Callable[..., dict[str, Any]], keywords: Sequence[str], text: Any) -> dict[str, Any]:
    import tensorflow as tf

    found = answer(text)
    words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(text), r"([[:punct:]])", r" \1 "))
    words = words[:, :40].to_tensor()
    speaks = tf.stack([tf.strings.regex_full_match(words, each) for each in keywords], axis=2)
    own = tf.gather(speaks, found["class_id"], axis=2, batch_dims=1)
    contributions = tf.where(own, 2.0, tf.where(tf.reduce_any(speaks, axis=2), -1.0, 0.0))
    return {**found, "tokens": words, "contributions": contributions}


@pytest.fixture(scope="session")
def tiny_checkpoint(repository: Path) -> Path:
    """A Hugging Face checkpoint of 2 layers, 16 wide, with 96 word pieces."""
    return repository / "tests" / "golden" / "hugging_face_bert" / "uncased"


@pytest.fixture(scope="session")
def tiny_encoder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """That checkpoint, converted."""
    from agnews.components.encoders.resolve_encoder import resolve_encoder

    return resolve_encoder(str(tiny_checkpoint), cache_dir=tmp_path_factory.mktemp("encoders"))


@pytest.fixture(scope="session")
def seeded_world(repository: Path) -> ModuleType:
    """The module with a storage in memory that a seed drives; see `seeded_world.py`."""
    script = repository / "tests" / "components" / "seeded_world.py"
    spec = importlib.util.spec_from_file_location("seeded_world", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser, skipped where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_BROWSER_FLAGS))
        yield browser
        browser.close()
