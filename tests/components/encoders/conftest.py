"""Tiny encoders: two checkpoints that Hugging Face made, one SavedModel that TF Hub's own tool made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from agnews.components.encoders.safetensors_file import SafetensorsFile, write_safetensors

Edit = Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]]
MakeCheckpoint = Callable[..., Path]


@pytest.fixture(scope="session")
def recordings(repository: Path) -> Path:
    """What tests/golden/record_hugging_face_bert.py wrote: `cased`, `uncased`, and outputs of the embedded encoder."""
    return repository / "tests" / "golden" / "hugging_face_bert"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the whole session, so that nothing is converted twice."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make_checkpoint(recordings: Path, tmp_path: Path) -> MakeCheckpoint:
    """Copies the cased checkpoint with changes.

    Called with changed values of config.json, and with `weights`, a function from all tensors to all tensors.
    """

    def make(*, weights: Edit | None = None, **config: object) -> Path:
        folder = tmp_path / f"checkpoint_{len(list(tmp_path.iterdir()))}"
        shutil.copytree(recordings / "cased", folder)
        settings = json.loads((folder / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps(settings))
        if weights:
            file = SafetensorsFile(folder / "model.safetensors")
            changed = weights({name: file.read(name) for name in file.shapes})
            write_safetensors(folder / "model.safetensors", changed)
        return folder

    return make


@pytest.fixture(scope="session")
def tf_hub_encoder(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel made by the program that made the BERT encoders on TF Hub."""
    import tensorflow as tf
    from official.legacy.bert.configs import BertConfig
    from official.nlp.tools import export_tfhub_lib

    folder = tmp_path_factory.mktemp("tf_hub")
    config = BertConfig(
        vocab_size=96,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=32,
    )
    checkpoint = tf.train.Checkpoint(encoder=export_tfhub_lib.get_bert_encoder(config)).save(str(folder / "weights"))
    export_tfhub_lib.export_model(
        str(folder / "model"),
        bert_config=config,
        model_checkpoint_path=checkpoint,
        with_mlm=False,
        vocab_file=str(recordings / "uncased" / "vocab.txt"),
        do_lower_case=True,
    )
    return folder / "model"


@dataclass
class Server:
    """A web server on this machine.

    Attributes:
        url: Its address.
        files: Content by path.
        cut_after: Bytes after which a connection breaks, by path; each one happens once.
        requests: Paths that were asked for, with the value of the header Range.
        tokens: Values of the header Authorization that came with them.
        moved: Where a path refers to, by path, with status 307.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server that can do what a download may meet."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            wanted = self.headers.get("Range")
            state.requests.append((path, wanted))
            state.tokens.append(self.headers.get("Authorization"))
            if path in state.moved:
                self.send_response(307)
                self.send_header("Location", state.moved[path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if path not in state.files:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            content = state.files[path][start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: state.cut_after.pop(path, None)])

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}"
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        running.shutdown()
