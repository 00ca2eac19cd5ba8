"""What reads files and answers of strangers: each target takes any bytes and ends well, or with an error in words.

An exception that is no `AgnewsError` (for a server's request: no `HttpError`) is a fault, and so is a target that hangs
or eats memory.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent.parent / "golden"
_SHM = Path("/dev/shm")
_SMALL = 1 << 20


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        make: Imports what it takes and returns the function that eats bytes.
        seeds: Inputs to begin with.
        words: Words that its inputs are made of.
    """

    make: Callable[[], Callable[[bytes], None]]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str, ...] = ()


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="agnews-fuzz-", dir=_SHM if _SHM.is_dir() else None))


_INFER = b"/v2"
"""Begins a request of the Open Inference Protocol."""


def _request() -> Callable[[bytes], None]:
    import numpy as np

    from agnews.components.model_server.json_response import HttpError, Limits
    from agnews.components.model_server.open_inference import read_infer_request, write_infer_response
    from agnews.components.model_server.predict_request import read_predict_request

    limits = Limits(instances=64, text_bytes=4096)

    def read(content: bytes) -> Any:
        if not content.startswith(_INFER):
            return read_predict_request(content, lambda _: "text", limits)
        asked = read_infer_request(content.removeprefix(_INFER), "text", ("class_id",), limits)
        write_infer_response("agnews", "17", asked, {"class_id": np.zeros(len(asked.values), np.int64)})
        return asked

    def eat(content: bytes) -> None:
        try:
            found = read(content)
        except HttpError as error:
            if error.status not in (400, 422) or len(str(error)) > 10_000:
                raise
            return
        assert len(found.values) <= limits.instances
        assert all(len(value) <= limits.text_bytes for value in found.values)

    return eat


def _request_seeds() -> Iterator[bytes]:
    for row in json.loads((GOLDEN / "tensorflow_serving_bodies.json").read_bytes()):
        if len(row["body_base64"]) < 4_000:
            yield base64.b64decode(row["body_base64"])
    yield b'{"instances": ["a", {"b64": "Zm8="}]}'
    tensor = b'{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"], "parameters": {}}'
    yield _INFER + b'{"id": "a", "inputs": [' + tensor + b'], "outputs": [{"name": "class_id"}], "parameters": {}}'
    yield b'{"inputs": {"text": [["a"], ["b"]]}, "signature_name": "explain", "n": NaN}'


def _safetensors() -> Callable[[bytes], None]:
    import math

    from agnews.components.encoders.safetensors_file import SafetensorsFile
    from agnews.schemas.errors import AgnewsError

    path = _folder() / "model.safetensors"

    def eat(content: bytes) -> None:
        path.write_bytes(content)
        try:
            file = SafetensorsFile(path)
            for name, shape in file.shapes.items():
                if math.prod(shape) < _SMALL:
                    file.read(name)
        except AgnewsError:
            return

    return eat


def _safetensors_seeds() -> Iterator[bytes]:
    yield (GOLDEN / "hugging_face_bert" / "cased" / "model.safetensors").read_bytes()[:4096]
    for kind, size in (("F32", 16), ("BF16", 8), ("I8", 4), ("F64", 32)):
        entry = {"dtype": kind, "shape": [2, 2], "data_offsets": [0, size]}
        header = json.dumps({"__metadata__": {"format": "pt"}, "a": entry}).encode()
        yield struct.pack("<Q", len(header)) + header + bytes(size)


def _config() -> Callable[[bytes], None]:
    from agnews.components.encoders.bert_config import read_bert_config
    from agnews.components.encoders.bert_tensors import bert_tensors
    from agnews.schemas.errors import AgnewsError

    path = _folder() / "config.json"

    def eat(content: bytes) -> None:
        path.write_bytes(content)
        try:
            config = read_bert_config(path)
        except AgnewsError:
            return
        assert bert_tensors(config)

    return eat


def _config_seeds() -> Iterator[bytes]:
    yield (GOLDEN / "hugging_face_bert" / "cased" / "config.json").read_bytes()
    yield b'{"model_type": "distilbert", "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "vocab_size": 9}'
    yield b'{"model_type": "electra", "embedding_size": 4, "hidden_size": 8, "architectures": ["ElectraModel"]}'


def _vocabulary() -> Callable[[bytes], None]:
    from agnews.components.text.vocabulary import load_vocabulary
    from agnews.schemas.errors import AgnewsError

    path = _folder() / "vocab.txt"

    def eat(content: bytes) -> None:
        path.write_bytes(content)
        try:
            vocabulary = load_vocabulary(str(path), size=content[0] if content else None)
        except AgnewsError:
            return
        assert vocabulary.is_cased in (True, False)
        assert vocabulary.digest
        assert vocabulary.cls_id != vocabulary.sep_id

    return eat


def _vocabulary_seeds() -> Iterator[bytes]:
    yield b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n"
    yield "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n<S>\r\n\u2028\r\n天".encode()


def _tokenizer() -> Callable[[bytes], None]:
    from agnews.components.encoders.tokenizer_description import read_tokenizer
    from agnews.schemas.errors import AgnewsError

    folder = _folder()
    (folder / "vocab.txt").write_bytes(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n")
    names = ("tokenizer.json", "tokenizer_config.json")

    def eat(content: bytes) -> None:
        name = names[content[0] % 2] if content else names[0]
        for each in names:
            (folder / each).unlink(missing_ok=True)
        (folder / name).write_bytes(content[1:])
        try:
            read_tokenizer(folder, vocab_size=6)
        except AgnewsError:
            return

    return eat


def _tokenizer_seeds() -> Iterator[bytes]:
    fast = {
        "normalizer": {"type": "BertNormalizer", "lowercase": True, "strip_accents": None},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "added_tokens": [{"id": 0, "content": "[PAD]", "special": True}],
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 100,
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "##b": 5}},
    }  # fmt: skip
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}]}
    yield b"\0" + json.dumps(fast).encode()
    yield b"\0" + json.dumps({**fast, "post_processor": template}).encode()
    yield b"\1" + b'{"do_lower_case": true, "tokenizer_class": "BertTokenizer", "unk_token": {"content": "[UNK]"}}'


def _corpus() -> Callable[[bytes], None]:
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.schemas.errors import AgnewsError

    path = _folder() / "corpus.yaml"

    def eat(content: bytes) -> None:
        path.write_bytes(content)
        try:
            loaded = load_corpus(str(path))
        except AgnewsError:
            return
        assert loaded.corpus.class_names
        assert loaded.corpus.canonical()

    return eat


def _corpus_seeds() -> Iterator[bytes]:
    yield b"format: 1\nname: mails\nlabel: kind\ntexts: [subject, body]\nclasses: {ham: Wanted, spam: Unwanted}\n"
    yield b"format: 1\nname: a\nlabel: l\ntexts: t\nclasses: [a, b]\nread: {format: jsonl, header: true}\n"
    yield b"format: 1\nname: a\nlabel: l\ntexts: t\nclasses: [a]\nfiles: {test: {column: split, value: test}}\n"
    yield (Path(__file__).parents[2] / "schemas" / "corpora" / "ag_news.yaml").read_bytes()


def _yaml() -> Callable[[bytes], None]:
    import yaml

    from agnews.schemas.yaml_text import read_yaml, write_yaml

    def eat(content: bytes) -> None:
        try:
            found = read_yaml(content.decode("utf-8", "surrogateescape"))
        except yaml.YAMLError:
            return
        if isinstance(found, str | dict) and len(content) < 10_000:
            assert "\n" in write_yaml({"a": found} if isinstance(found, str) else found)

    return eat


def _yaml_seeds() -> Iterator[bytes]:
    yield b"a: [1, 0x1f, 1e5, on, ~, 2026-12-01]\n<<: {b: c}\n"
    yield b"a: &x {b: !!str 1}\nc: *x\n? [d]\n: |\n  e\n"


def _rows(form: str) -> Callable[[], Callable[[bytes], None]]:
    def make() -> Callable[[bytes], None]:
        from agnews.components.corpus_files.read_records import read_records
        from agnews.components.corpus_files.record import Record, Reject
        from agnews.components.corpus_sniffing.read_raw_rows import read_raw_rows
        from agnews.components.corpus_sniffing.sniff_file import sniff_file
        from agnews.components.prediction.read_texts import open_texts, read_texts
        from agnews.components.prediction.resolve_columns import resolve_columns
        from agnews.components.prediction.text_input import TextFormat, TextInput, TextRow
        from agnews.schemas.corpus_document import parse_corpus
        from agnews.schemas.errors import AgnewsError

        path = _folder() / f"train.{form}"
        head = "format: 1\nname: a\nlabel: kind\ntexts: [subject, body]\nclasses: [ham, spam]\n"
        corpus = parse_corpus(f"{head}files: {{train: train.{form}}}\nread: {{format: {form}}}\n", "corpus.yaml")
        source = TextInput(str(path), TextFormat(form), corpus)

        def eat(content: bytes) -> None:
            path.write_bytes(content)
            try:
                for record in read_records(str(path), corpus):
                    assert isinstance(record, Record | Reject)
            except AgnewsError:
                pass
            try:
                for values in read_raw_rows(path, sniff_file(path)):
                    assert all(name.encode() or True for name in (*values, *values.values()))
            except AgnewsError:
                pass
            try:
                wanted, _ = resolve_columns(source)
                for row in read_texts(open_texts(wanted), wanted):
                    assert isinstance(row, TextRow | Reject)
            except AgnewsError:
                return

        return eat

    return make


def _csv_seeds() -> Iterator[bytes]:
    yield b'kind,subject,body\nham,"a ""b""",c\nspam,"x\ny",z\n'
    yield "\ufeffkind,subject,body\r\nham,é,\0\r\n".encode() + b'spam,\xff,"never closed\n'


def _jsonl_seeds() -> Iterator[bytes]:
    yield b'{"kind": "ham", "subject": "a", "body": "b", "n": NaN}\n\n{"kind": 1, "subject": null, "body": "\\ud800"}\n'


def _parquet_seeds() -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    table = pa.table(
        {"kind": ["ham", "spam"], "subject": ["a", None], "body": pa.array(["b", "c"]).dictionary_encode()}
    )
    pq.write_table(table, out)
    yield out.getvalue()


def _answers() -> Callable[[bytes], None]:
    import urllib3
    from kfp_server_api.rest import RESTResponse

    from agnews.kubeflow.client.connection import Connection
    from agnews.kubeflow.client.kfp_api import KfpApi
    from agnews.kubeflow.client.retry import Retry
    from agnews.kubeflow.client.run_view import RunView
    from agnews.schemas.errors import AgnewsError

    api = KfpApi(Connection.read({"host": "http://127.0.0.1:1"}, {}), Retry(attempts=1))
    status, body = 200, b""

    def request(*_: object, **__: object) -> Any:
        answer = RESTResponse(urllib3.HTTPResponse(body=body, status=status, reason="said", preload_content=True))
        if not 200 <= status <= 299:
            from kfp_server_api.exceptions import ApiException

            raise ApiException(http_resp=answer)
        return answer

    api._client.rest_client.request = request

    def show() -> None:
        run = api.get_run("a")
        for task in RunView(api).tasks(run):
            assert task.title

    asks: tuple[Callable[[], object], ...] = (
        show,
        lambda: api.list_runs(limit=3),
        api.list_recurring_runs,
        lambda: api.find_pipeline("a"),
        lambda: api.find_experiment("a"),
        lambda: api.get_version("a", "b"),
    )

    def eat(content: bytes) -> None:
        nonlocal status, body
        if not content:
            return
        status, body = (200, 200, 200, 404, 500, 401, 409)[content[0] % 7], content[1:]
        try:
            asks[content[0] // 7 % len(asks)]()
        except AgnewsError:
            return

    return eat


def _answer_seeds() -> Iterator[bytes]:
    task = {"componentRef": {"name": "comp-train"}, "taskInfo": {"name": "train"}, "dependentTasks": []}
    row = {"display_name": "train", "state": "FAILED", "start_time": "2026-11-29T00:00:00Z"}
    run_and_version = {
        "run_id": "a",
        "state": "FAILED",
        "pipeline_id": "p",
        "pipeline_version_id": "v",
        "pipeline_version_reference": {"pipeline_id": "p", "pipeline_version_id": "v"},
        "pipeline_spec": {
            "root": {"dag": {"tasks": {"train": task}}},
            "components": {"comp-train": {"executorLabel": "exec-train"}},
            "deploymentSpec": {
                "executors": {"exec-train": {"container": {"args": ["--step", json.dumps({"node": "Trainer"})]}}}
            },
        },
        "run_details": {"task_details": [{**row, "child_tasks": [{"pod_name": "x-system-container-impl-1"}]}]},
    }
    yield b"\0" + json.dumps(run_and_version).encode()
    recorded = json.loads(gzip.decompress((GOLDEN / "kubeflow_server.json.gz").read_bytes()))
    for name, content in recorded.items():
        said = content.get("response", content) if isinstance(content, dict) else content
        text = said if isinstance(said, str) else json.dumps(said)
        if not name.endswith(".json") or len(text) > 60_000:
            continue
        kind = 3 if "/errors/" in name else 0
        for ask in range(6):
            if ask == 0 or "list" in name or kind:
                yield bytes([kind + 7 * ask]) + text.encode()


def _archive() -> Callable[[bytes], None]:
    import shutil

    from agnews.components.storage.unpack_archive import UnpackLimits, unpack_archive
    from agnews.schemas.errors import AgnewsError

    folder = _folder()
    limits = UnpackLimits(most_bytes=1 << 20, most_files=50)

    def eat(content: bytes) -> None:
        (folder / "packed").write_bytes(content)
        shutil.rmtree(folder / "out", ignore_errors=True)
        (folder / "out").mkdir()
        with contextlib.suppress(AgnewsError):
            unpack_archive(folder / "packed", folder / "out", limits)
        assert sorted(path.name for path in folder.iterdir()) == ["out", "packed"]
        assert sum(path.lstat().st_size for path in (folder / "out").rglob("*") if path.is_file()) <= 1 << 20

    return eat


def _archive_seeds() -> Iterator[bytes]:
    for mode in ("w", "w:gz"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode=mode) as packed:
            for name in ("./a", "b/c"):
                info = tarfile.TarInfo(name)
                info.size = 3
                packed.addfile(info, io.BytesIO(b"abc"))
        yield out.getvalue()


def _store() -> Callable[[bytes], None]:
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.serving_leases import living_leases
    from agnews.schemas.errors import AgnewsError

    folder = _folder()
    version = folder / "m" / "17"
    (version / "assets.extra").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"")
    (folder / "m" / "history").mkdir()
    places = ("latest.json", "17/assets.extra/record.json", "history/00000001-a.json", ".serving-a.json")

    def eat(content: bytes) -> None:
        for place in places:
            (folder / "m" / place).unlink(missing_ok=True)
        if content:
            (folder / "m" / places[content[0] % 4]).write_bytes(content[1:])
        store = ModelStore(str(folder), "m")
        for ask in (
            store.production,
            store.withdrawn,
            store.moves,
            lambda: store.record("17"),
            lambda: living_leases(store.uri),
        ):
            try:
                ask()
            except AgnewsError:
                continue

    return eat


def _store_seeds() -> Iterator[bytes]:
    old = GOLDEN / "store_0_1_0"
    for path in sorted(old.rglob("*.json")):
        yield b"\0" + path.read_bytes()
        yield b"\1" + path.read_bytes()
    yield (b'\2{"number": 1, "id": "a", "at": "2026-11-29T00:00:00Z", "version": "17", "before": "", "action": "push"}')
    yield b"\3" + b'{"version": "17", "host": "a", "pid": 1, "renewed_at": "2026-11-29T00:00:00Z"}'


def _saved_model() -> Callable[[bytes], None]:
    from agnews.components.encoders.saved_encoder import open_saved_encoder
    from agnews.components.model_trust.require_harmless import require_harmless
    from agnews.schemas.errors import AgnewsError

    folder = _folder()

    def eat(content: bytes) -> None:
        (folder / "saved_model.pb").write_bytes(content)
        for ask in (lambda: require_harmless(str(folder)), lambda: open_saved_encoder(folder)):
            try:
                ask()
            except AgnewsError:
                continue

    return eat


def _saved_model_seeds() -> Iterator[bytes]:
    import tensorflow as tf

    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
    call = tf.function(lambda text: module.table.lookup(text), input_signature=[tf.TensorSpec([None], tf.string)])
    module.call = call
    folder = _folder()
    tf.saved_model.save(module, str(folder), signatures=call)
    yield (folder / "saved_model.pb").read_bytes()


_JSON = ("{", "}", "[", "]", ":", ",", '"', "null", "NaN", "\\u")
TARGETS = {
    "request": Target(
        _request,
        _request_seeds,
        (*_JSON, "instances", "inputs", "b64", "text", "signature_name", "/v2", "parameters", "shape", "BYTES"),
    ),
    "safetensors": Target(
        _safetensors, _safetensors_seeds, (*_JSON, "dtype", "shape", "data_offsets", "__metadata__", "BF16")
    ),
    "config": Target(
        _config, _config_seeds, (*_JSON, "model_type", "num_hidden_layers", "hidden_act", "architectures")
    ),
    "vocabulary": Target(_vocabulary, _vocabulary_seeds, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "##", "\r")),
    "tokenizer": Target(
        _tokenizer, _tokenizer_seeds, (*_JSON, "normalizers", "pretokenizers", "strip_accents", "type")
    ),
    "corpus": Target(_corpus, _corpus_seeds, ("classes", "read", "files", "floors", "settings", "format", "&a", "*a")),
    "yaml": Target(_yaml, _yaml_seeds, ("&a", "*a", "!!", "<<", "---", "|", ">", "? ", ": ")),
    "csv": Target(_rows("csv"), _csv_seeds, ("kind", "subject", "body", "ham", '""', "\r")),
    "jsonl": Target(_rows("jsonl"), _jsonl_seeds, (*_JSON, "kind", "subject", "body", "ham")),
    "parquet": Target(_rows("parquet"), _parquet_seeds),
    "kubeflow": Target(_answers, _answer_seeds, (*_JSON, "runs", "run_details", "task_details", "next_page_token")),
    "archive": Target(_archive, _archive_seeds),
    "store": Target(_store, _store_seeds, (*_JSON, "format", "version", "name", "model_digest", "move")),
    "saved_model": Target(_saved_model, _saved_model_seeds),
}
