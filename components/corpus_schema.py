"""What raw Examples of a corpus must be: tensorflow_metadata's Schema, derived from its description."""

from __future__ import annotations

from importlib.resources import files

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import RAW


def corpus_schema(corpus: Corpus) -> str:
    """Returns the schema of a corpus.

    Args:
        corpus: Its classes and limits; a schema in the description holds instead of a derived one.

    Returns:
        The schema as text.

    Raises:
        AgnewsError: The schema in the description is none, or lacks a feature.
    """
    if not corpus.schema_pbtxt:
        template = files("agnews.components").joinpath("schema_template.pbtxt").read_text(encoding="utf-8")
        # Of several classes a mark for each, 0 or 1.
        sizes = "".join(f"dim {{ size: {size} }} " for size in corpus.label_shape)
        values = {
            "LABEL_SHAPE": f"shape {{ {sizes}}}" if sizes else "shape {}",
            "LAST_LABEL": 1 if sizes else corpus.num_classes - 1,
            "MOST_WORDS": corpus.limits.max_words,
        }
        for name, value in values.items():
            template = template.replace(name, str(value))
        return template
    try:
        schema = text_format.Parse(corpus.schema_pbtxt, schema_pb2.Schema())
    except text_format.ParseError as error:
        raise AgnewsError(
            f"The schema of the corpus {corpus.name} is not one of TensorFlow Metadata in text format.",
            found=error,
            fix="Mend the line that is named, or remove schema.pbtxt: the schema follows from classes and limits.",
        ) from error
    missing = [name for name in RAW if name not in {feature.name for feature in schema.feature}]
    if missing:
        raise AgnewsError(
            f"The schema of the corpus {corpus.name} has no feature {missing[0]!r}.",
            found=", ".join(feature.name for feature in schema.feature) or "no feature",
            fix="Start from what `agnews corpus check --schema` prints.",
        )
    compared = [
        each.name for each in schema.feature if each.HasField("skew_comparator") or each.HasField("drift_comparator")
    ]
    if compared:
        raise AgnewsError(
            f"The schema of the corpus {corpus.name} limits distances between samples, which nothing here reads.",
            found=f"skew_comparator or drift_comparator of {', '.join(compared)}",
            fix="Remove them: how far samples may be apart stands in corpus.yaml, under distances.",
        )
    return corpus.schema_pbtxt
