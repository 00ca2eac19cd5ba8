"""The node ImportSchemaGen: brings the schema of the corpus into the pipeline."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Schema

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.corpus_schema import corpus_schema


class Executor(BaseExecutor):
    """Writes the schema that follows from the description of the corpus, or stands in it."""

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
                - corpus: classes, limits and schema of the corpus, from `carry_corpus`.
                - code_version: not used here; it keeps old results from being taken for new ones.

        Raises:
            AgnewsError: The schema in the description is none.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        text = corpus_schema(read_carried_corpus(exec_properties["corpus"]))
        folder = get_single_instance(output_dict["schema"]).uri
        fileio.makedirs(folder)
        with fileio.open(f"{folder}/schema.pbtxt", "w") as file:
            file.write(text)


class SchemaImporterSpec(ComponentSpec):
    """Outputs and properties of ImportSchemaGen."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "corpus": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"schema": ChannelParameter(type=Schema)}


class SchemaImporter(BaseComponent):
    """TFX's ImportSchemaGen for a schema that travels with the description of the corpus, and not as a file.

    Args:
        corpus: Classes, limits and schema of the corpus, from `carry_corpus`.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = SchemaImporterSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, *, corpus: str, code_version: str) -> None:
        super().__init__(SchemaImporterSpec(corpus=corpus, code_version=code_version, schema=Channel(type=Schema)))
        self.with_id("ImportSchemaGen")
