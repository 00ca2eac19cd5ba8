"""Fixtures that all tests share."""

from __future__ import annotations

import ctypes
import gc
import importlib.metadata
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from agnews.components.model_store import ModelStore

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

REPOSITORY = Path(__file__).parent.parent
MLFLOW = "mlflow==3.17.2"
_START_SECONDS = 240.0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a folder of tests to one process, for the sake of what its tests share; of whole pipelines, a file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if "/e2e/" in file else file.rpartition("/")[0]

    config.option.loadscopereorder = False
    return ByFolder(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begins with whole pipelines where there are several processes, so that none is left with one in the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: "/e2e/" not in item.nodeid)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with real AG News rows, beside the checkout; the test is skipped where there is none."""
    folder = REPOSITORY.parent / "shared" / "data" / "agnews"
    if not (folder / "test.csv").is_file():
        pytest.skip(f"no AG News rows in {folder}")
    return folder


_GROWTH = 150 << 20
"""Bytes; looking for what can go takes a second where millions of objects stay."""

_seen = 0


@pytest.fixture(scope="module", autouse=True)
def _memory_of_a_module() -> Iterator[None]:
    """Gives back what graphs and models of a module took, so that a run of all tests does not keep that of each.

    Functions of TensorFlow hold themselves in circles, which Python looks for the more seldom the more there is; and
    what is freed stays with the allocator, in pieces.
    """
    yield
    global _seen
    process = psutil.Process()
    if process.memory_info().rss - _seen < _GROWTH:
        return
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    _seen = process.memory_info().rss


# --- A classifier as small as can be -------------------------------------------------------------------------------

TOY_KEYWORDS = (
    "president|minister|soldiers|parliament|troops|hostages",
    "coach|team|champion|olympic|touchdowns|league",
    "stocks|profit|merger|bankruptcy|reserve|shares",
    "software|scientists|processor|internet|computers|spacecraft",
)
TOY_MAX_LENGTH = 16
NEWS_CLASSES = ("World", "Sports", "Business", "Sci/Tech")


@pytest.fixture(scope="session")
def transform_raw() -> Callable[[Path, Mapping[str, Any]], None]:
    """Runs Transform on the splits in `raw` of a folder, by the packaged corpus; it gets `graph` and `examples`."""

    def transform_raw(root: Path, settings: Mapping[str, Any]) -> None:
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
        from tfx.types import standard_artifacts
        from tfx.types.artifact import Artifact

        from agnews.components.corpus_schema import corpus_schema
        from agnews.components.transformation.executor import Executor
        from agnews.schemas.corpus_document import packaged_corpus

        def artifact(kind: type[Artifact], name: str) -> Artifact:
            made = kind()
            made.uri = str(root / name)
            return made

        (root / "schema").mkdir()
        (root / "schema" / "schema.pbtxt").write_text(corpus_schema(packaged_corpus()))
        raw = artifact(standard_artifacts.Examples, "raw")
        raw.split_names = json.dumps([path.name.removeprefix("Split-") for path in sorted((root / "raw").iterdir())])
        context = BaseBeamExecutor.Context(
            # A container image, which the in-process runner ignores, keeps TFX from packing itself up for one.
            beam_pipeline_args=["--direct_running_mode=in_memory", "--sdk_container_image=none"],
            tmp_dir=str(root / "temporary"),
            unique_id="1",
        )
        Executor(context).Do(
            {"examples": [raw], "schema": [artifact(standard_artifacts.Schema, "schema")]},
            {
                "transform_graph": [artifact(standard_artifacts.TransformGraph, "graph")],
                "transformed_examples": [artifact(standard_artifacts.Examples, "examples")],
            },
            {
                "preprocessing_fn": "agnews.components.transform.preprocessing_fn",
                "custom_config": json.dumps(settings),
            },
        )

    return transform_raw


@pytest.fixture(scope="session")
def toy_transform(
    transform_raw: Callable[[Path, Mapping[str, Any]], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What Transform makes of short texts, each with a keyword of its class and a vocabulary of 60 words.

    A folder with `vocab.txt`, raw Examples in `raw`, transformed ones in `examples` (splits train and eval), and the
    transform graph in `graph`.
    """
    import tensorflow as tf

    root = tmp_path_factory.mktemp("toy")
    fillers = [f"word{chr(97 + number)}" for number in range(26)]
    keywords = [words.split("|") for words in TOY_KEYWORDS]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *fillers, *(word for words in keywords for word in words)]
    (root / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    chance = random.Random(1)
    for split, count in {"train": 240, "eval": 60}.items():
        (root / "raw" / f"Split-{split}").mkdir(parents=True)
        path = root / "raw" / f"Split-{split}" / "rows.gz"
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for row in range(1, count + 1):
                label = chance.randrange(4)
                words = [*chance.choices(fillers, k=chance.randint(1, 12)), chance.choice(keywords[label])]
                chance.shuffle(words)
                integers = {"label": label, "num_words": len(words), "row": row}
                strings = {"text": " ".join(words), "has_markup": "no"}
                example = tf.train.Example()
                for name, number in integers.items():
                    example.features.feature[name].int64_list.value.append(number)
                for name, text in strings.items():
                    example.features.feature[name].bytes_list.value.append(text.encode())
                writer.write(example.SerializeToString())

    settings = {"vocabulary": str(root / "vocab.txt"), "lowercase": True, "max_length": TOY_MAX_LENGTH}
    transform_raw(root, settings)
    return root


@pytest.fixture(scope="session")
def make_toy_network() -> Callable[[], Any]:
    """Makes an untrained transformer for the toy vocabulary, with the same weights each time.

    What it says is arbitrary, and depends on every token and every pair of neighbours.
    """

    def make() -> Any:
        import numpy as np
        import tensorflow as tf
        import tf_keras as keras

        from agnews.components.modeling.factory import build_model
        from agnews.schemas.learning_config import parse_model_config

        keras.utils.set_random_seed(2)
        network = build_model(
            parse_model_config({"hidden_dim": 16, "num_heads": 2, "min_token_count": 0}),
            token_counts=np.ones(60, np.int64),
            unknown_id=1,
            special_ids=(0, 2, 3),
            max_length=TOY_MAX_LENGTH,
            num_classes=4,
        ).network
        # Drawn as they are, all word pieces look alike.
        (table,) = network.token_embedding.weights
        table.assign(50.0 * table)
        network.bigrams.table.assign(tf.random.normal(network.bigrams.table.shape, stddev=0.05))
        return network

    return make


@pytest.fixture(scope="session")
def toy_classifier(
    make_toy_network: Callable[[], Any], toy_transform: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An untrained transformer behind the signatures of the real one, as the Trainer exports it: a SavedModel."""
    import tensorflow_transform as tft

    from agnews.components.serving_model.serving_model import ServingModel, export_model
    from agnews.components.text.vocabulary import load_vocabulary

    network = make_toy_network()
    folder = tmp_path_factory.mktemp("classifier") / "model"
    vocabulary = load_vocabulary(str(toy_transform / "vocab.txt"))
    model = ServingModel(network, tft.TFTransformOutput(str(toy_transform / "graph")), NEWS_CLASSES, vocabulary)
    export_model(
        model,
        str(folder),
        {
            "model": {"kind": "transformer"},
            "text": {"lowercase": True, "max_length": TOY_MAX_LENGTH},
            "vocabulary_sha256": vocabulary.digest,
        },
    )
    return folder


@pytest.fixture(scope="session")
def toy_texts() -> list[bytes]:
    """Texts of the toy vocabulary, from one word to more than the model reads."""
    chance = random.Random(3)
    words = [f"word{chr(97 + number)}" for number in range(26)] + [
        word for each in TOY_KEYWORDS for word in each.split("|")
    ]
    return [" ".join(chance.choices(words, k=chance.randint(1, 20))).encode() for _ in range(240)]


class Push(Protocol):
    """Puts a model into production in a store, without a pipeline that judges it."""

    def __call__(self, models: Path, model: Path, classes: Sequence[str] = ...) -> ModelStore:
        """Pushes.

        Args:
            models: Folder of the store.
            model: Folder of a SavedModel.
            classes: Their names.
        """


@pytest.fixture(scope="session")
def push() -> Push:
    """Pushes a SavedModel that nobody has judged."""

    def push(models: Path, model: Path, classes: Sequence[str] = NEWS_CLASSES) -> ModelStore:
        from agnews.components.model_store import ModelStore
        from agnews.components.model_store.publish import publish

        store = ModelStore(str(models), "agnews")
        publish(
            store,
            model=str(model),
            extra_files={},
            judged_against="",
            fingerprint="",
            run_id="run",
            accuracy=0.9,
            classes=tuple(classes),
        )
        return store

    return push


@pytest.fixture(scope="session")
def push_answers(push: Push, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[..., Any]], Path]:
    """Makes a root whose pushed model answers texts with a function: `push_answers(NAME, FUNCTION)`.

    The function takes strings of shape (rows,) and returns the outputs of `serving_default`; the SavedModel is in
    `saved`, too.
    """

    def push_answers(name: str, answer: Callable[..., Any]) -> Path:
        import tensorflow as tf

        root = tmp_path_factory.mktemp(name)
        module = tf.Module()
        module.answer = tf.function(answer, input_signature=[tf.TensorSpec([None], tf.string, "text")])
        tf.saved_model.save(module, str(root / "saved"), signatures={"serving_default": module.answer})
        push(root / "models", root / "saved")
        return root

    return push_answers


@pytest.fixture(scope="session")
def exported_root(
    push: Push, toy_classifier: Path, toy_texts: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A root with one pushed version, and exports of it in int8 for both engines, of which OpenVINO's is the faster."""
    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    from agnews.components.engines.find_export import exports_beside
    from agnews.components.model_export.export_version import ExportRequest, export_version
    from agnews.components.model_export.labelled_texts import LabelledTexts
    from agnews.components.model_store.find_pushed_model import find_pushed_model
    from agnews.components.storage.files_at import files_at

    root = tmp_path_factory.mktemp("exported")
    pushed = find_pushed_model(push(root / "models", toy_classifier))
    rows = LabelledTexts(toy_texts, [0] * len(toy_texts), "toy rows")
    for engine, milliseconds in (("openvino", 1.0), ("onnxruntime", 2.0)):
        request = ExportRequest(engine, "int8", pushed.record.version, pushed.record.model_digest)
        found = export_version(
            pushed.folder,
            exports_beside(pushed.folder),
            request,
            calibration=rows.those(range(30)),
            test=rows.those(range(30, 240)),
        )
        assert found.export.passed
        # What a toy takes depends on what else runs here.
        speed = found.export.speed.model_copy(update={"engine": milliseconds, "tensorflow": 10.0})
        found.export.model_copy(update={"speed": speed}).write(found.folder, files_at(found.folder).write)
    return root


# --- Installations that lack what is installed here ------------------------------------------------------------------

HIDE = """
import importlib.machinery, json, os

hidden = set(json.loads(os.environ["HIDDEN_MODULES"]))
find = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in hidden else find(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
"""


@dataclass(frozen=True)
class Installation:
    """What `pip install 'agnews[EXTRA]'` brings.

    Attributes:
        packages: Their names, and what each asks for.
        environment: For a process that sees nothing else of what is installed here.
    """

    packages: dict[str, list[Requirement]]
    environment: dict[str, str]


def _wanted(package: str, extras: Sequence[str]) -> list[Requirement]:
    found = map(Requirement, importlib.metadata.requires(package) or [])
    return [
        each for each in found if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in ("", *extras))
    ]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Installation]:
    """Finds out what an extra of this project brings."""

    def install(extra: str) -> Installation:
        packages: dict[str, list[Requirement]] = {}
        waiting: list[tuple[str, Sequence[str]]] = [("agnews", (extra,))]
        seen: set[tuple[str, tuple[str, ...]]] = set()
        while waiting:
            name, extras = waiting.pop()
            if (name, tuple(extras)) in seen or (name in packages and not extras):
                continue
            seen.add((name, tuple(extras)))
            try:
                wanted = _wanted(name, extras)
            except importlib.metadata.PackageNotFoundError:
                # A lock file leaves out what is asked for and not needed.
                continue
            packages[name] = [*packages.get(name, []), *wanted]
            waiting += [(canonicalize_name(each.name), tuple(sorted(each.extras))) for each in wanted]
        hidden = [
            module
            for module, names in importlib.metadata.packages_distributions().items()
            if not {canonicalize_name(name) for name in names} & packages.keys()
        ]
        folder = tmp_path_factory.mktemp("hide")
        (folder / "sitecustomize.py").write_text(HIDE)
        environment = {"PYTHONPATH": str(folder), "HIDDEN_MODULES": json.dumps(hidden), "COLUMNS": "300"}
        return Installation(packages, {**os.environ, **environment})

    return install


# --- Real servers beside which the product runs --------------------------------------------------------------------


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[str]:
    """A server of MLflow from PyPI, in an environment of its own: what it asks for is not what TFX asks for."""
    uv = shutil.which("uv") or str(repository / ".uv" / "bin" / "uv")
    if not Path(uv).is_file():
        pytest.skip("MLflow's server is made with uv, which is not here: make setup brings it")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [uv, "tool", "run", "--quiet", "--python", "3.11", "--from", MLFLOW, "mlflow", "server"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "VIRTUAL_ENV"))}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + _START_SECONDS
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - ours
                if answer.status == 200:
                    break
            if process.poll() is not None or time.monotonic() > until:
                words = (folder / "log").read_text(errors="replace")[-1500:]
                if "Failed to fetch" in words or "error sending request" in words:
                    pytest.skip("MLflow's server cannot be downloaded: no package registry")
                pytest.fail(f"MLflow's server does not start: {words}")
            time.sleep(0.5)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()
