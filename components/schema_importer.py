"""The node ImportSchemaGen: brings the curated schema into the pipeline."""

from __future__ import annotations

import hashlib
import importlib.resources
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen.import_schema_gen import executor as import_schema_gen
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.artifact import Artifact
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Schema

from agnews.schemas.errors import AgnewsError

CURATED = "schema.pbtxt"
"""The schema that is installed with the package, in `agnews.schemas`."""


class Executor(import_schema_gen.Executor):
    """Copies a schema file into the pipeline, after a look at whether it is the one that was meant."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict: Empty.
            output_dict:
                - schema: one Schema artifact. Gets `schema.pbtxt`.
            exec_properties:
                - schema_file: `schema.pbtxt` for the installed one, or a path.
                - schema_digest: sha256 that the file must have.

        Raises:
            AgnewsError: The file is missing, is no schema, or is not the one that the pipeline was built with.
        """
        path = _locate(exec_properties["schema_file"])
        content = _read(path)
        digest = hashlib.sha256(content).hexdigest()
        if digest != exec_properties["schema_digest"]:
            raise AgnewsError(
                f"The schema {path} is not the one that this pipeline was built with.",
                found=f"sha256 {digest}, expected {exec_properties['schema_digest']}",
                fix="Run or compile the pipeline again, with the same version of agnews as the worker has.",
            )
        try:
            text_format.Parse(content.decode(), schema_pb2.Schema())
        except (UnicodeDecodeError, text_format.ParseError) as error:
            raise AgnewsError(
                f"{path} is not a schema of TensorFlow Metadata in text format.",
                found=error,
                fix="Mend the line that is named, or restore the file from the repository.",
            ) from error
        super().Do(input_dict, output_dict, {**exec_properties, "schema_file": str(path)})


class SchemaImporterSpec(ComponentSpec):
    """Outputs and properties of ImportSchemaGen."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "schema_file": ExecutionParameter(type=str),
        "schema_digest": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"schema": ChannelParameter(type=Schema)}


class SchemaImporter(BaseComponent):
    """TFX's ImportSchemaGen with a digest, so that an edited schema is not answered from the cache.

    The path of the installed schema is not a property: it differs between the machine that builds a pipeline and
    the one that runs it.

    Args:
        schema_file: `schema.pbtxt` for the curated schema that is installed with agnews, or a path.
    """

    SPEC_CLASS = SchemaImporterSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, schema_file: str = CURATED) -> None:
        digest = hashlib.sha256(_read(_locate(schema_file))).hexdigest()
        super().__init__(SchemaImporterSpec(schema_file=schema_file, schema_digest=digest, schema=Channel(type=Schema)))
        self.with_id("ImportSchemaGen")


def _locate(schema_file: str) -> Path:
    if schema_file == CURATED:
        return Path(str(importlib.resources.files("agnews.schemas") / CURATED))
    return Path(schema_file)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AgnewsError(
            f"The schema {path} cannot be read.",
            found=error,
            fix="Install agnews again (`make setup`), or give the path of a schema.pbtxt.",
        ) from error
