from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from agnews.components.corpus_schema import corpus_schema
from agnews.components.schema_importer import Executor, SchemaImporter
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.errors import AgnewsError

AGES = "format: 1\nname: ages\nclasses: {y: young, o: old}\nlimits: {max_words: 30}\n"


def run(folder: Path, properties: dict[str, Any]) -> Any:
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "out")
    (folder / "out").mkdir()
    Executor().Do({}, {"schema": [schema]}, properties)
    return text_format.Parse((folder / "out" / "schema.pbtxt").read_text(), schema_pb2.Schema())


def domains(schema: Any) -> dict[str, tuple[int, int]]:
    return {each.name: (each.int_domain.min, each.int_domain.max) for each in schema.feature}


@pytest.mark.parametrize(
    ("corpus", "last_label", "most_words"),
    [(packaged_corpus(), 3, 1000), (parse_corpus(AGES, "corpus.yaml"), 1, 30)],
    ids=["ag_news", "ages"],
)
def test_the_schema_follows_classes_and_limits(
    corpus: Corpus, last_label: int, most_words: int, tmp_path: Path
) -> None:
    node = SchemaImporter(corpus=corpus.only("limits", "schema_pbtxt").canonical(), code_version="")
    assert node.id == "ImportSchemaGen"
    found = domains(run(tmp_path, node.exec_properties))
    assert found["label"] == (0, last_label)
    assert found["num_words"] == (1, most_words)


def test_a_schema_of_a_person_holds_instead(tmp_path: Path) -> None:
    text = corpus_schema(packaged_corpus()).replace("max: 1000", "max: 77")
    corpus = packaged_corpus().model_copy(update={"schema_pbtxt": text})
    node = SchemaImporter(corpus=corpus.canonical(), code_version="")
    assert domains(run(tmp_path, node.exec_properties))["num_words"] == (1, 77)


def test_a_broken_schema_names_the_line() -> None:
    corpus = packaged_corpus().model_copy(update={"schema_pbtxt": "feature {\n  name: text\n}\n"})
    with pytest.raises(AgnewsError, match="not one of TensorFlow Metadata") as caught:
        corpus_schema(corpus)
    assert "2:" in str(caught.value.found)


def test_a_schema_that_lacks_a_feature_says_which() -> None:
    corpus = packaged_corpus().model_copy(update={"schema_pbtxt": 'feature { name: "text" type: BYTES }'})
    with pytest.raises(AgnewsError, match="no feature 'label'"):
        corpus_schema(corpus)
