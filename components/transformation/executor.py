"""What the node Transform does."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names, get_single_instance

from agnews.components.example_files.read_records import record_files
from agnews.components.example_files.write_records import remove_half_written
from agnews.components.transformation.settle_vocabulary import settle_vocabulary
from agnews.components.transformation.transform_rows import RowTransform, transform_file
from agnews.components.transformation.write_graph import write_graph
from agnews.schemas.features import TRAIN
from agnews.schemas.progress import Progress, report_progress

_FILE = "transformed_examples-{number:05d}-of-{count:05d}.gz"


class Executor(BaseBeamExecutor):
    """Writes the graph that prepares rows, and the rows that it makes.

    The artifacts are those of TFX's own executor: the same rows, the same graph, the same metadata. That one has to
    look for what a function learns from the rows (a vocabulary, a mean), traces it nine times on the way, and sends
    rows through dozens of stages of Beam. Here the function is traced twice, and what Beam hands out are files.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict:
                - examples: one Examples artifact of TFRecords of raw Examples, decompressed if they end in `.gz`.
                - schema: one Schema artifact, which says what the raw features are.
            output_dict:
                - transform_graph: one TransformGraph artifact, as `tft.TFTransformOutput` reads it, and in it
                  VOCABULARY_FILE: the word pieces that the graph cuts texts into.
                - transformed_examples: one Examples artifact. Gets a gzipped TFRecord for each file of `examples`, with
                  its rows in their order.
                - updated_analyzer_cache: one TransformCache artifact. Gets an empty folder: there are no analyzers.
            exec_properties:
                - preprocessing_fn: name of the function, `module.function`.
                - custom_config: what it is told besides the rows, JSON; see `settle_vocabulary`.
                All others are TFX's, and not read.

        Raises:
            AgnewsError: The function has analyzers.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = get_single_instance(input_dict["examples"])
        graph = get_single_instance(output_dict["transform_graph"]).uri
        transformed = get_single_instance(output_dict["transformed_examples"])
        settings = settle_vocabulary(
            json.loads(exec_properties["custom_config"]), train=f"{examples.uri}/Split-{TRAIN}", transform_graph=graph
        )
        write_graph(
            _preprocessing(exec_properties, settings), _schema(get_single_instance(input_dict["schema"]).uri), graph
        )

        splits = decode_split_names(examples.split_names)
        transformed.split_names = examples.split_names
        files = [
            pair
            for split in splits
            for pair in _files(f"{examples.uri}/Split-{split}", f"{transformed.uri}/Split-{split}")
        ]
        for split in splits:
            tf.io.gfile.makedirs(f"{transformed.uri}/Split-{split}")
        for cache in output_dict.get("updated_analyzer_cache", ()):
            tf.io.gfile.makedirs(cache.uri)
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam.Create(files) | "TransformFiles" >> beam.ParDo(_TransformFile(graph))
        for split in splits:
            remove_half_written(f"{transformed.uri}/Split-{split}")


class _TransformFile(beam.DoFn):
    """Transforms a file; a worker loads the graph once."""

    def __init__(self, graph: str) -> None:
        self._graph = graph

    def setup(self) -> None:
        self._transform = RowTransform(self._graph)
        self._rows = 0

    def process(self, file: tuple[str, str]) -> None:
        for rows in transform_file(*file, self._transform):
            self._rows += rows
            report_progress(Progress("Transform", done=self._rows))


def _files(source: str, target: str) -> list[tuple[str, str]]:
    names = record_files([source])
    return [(name, f"{target}/{_FILE.format(number=n, count=len(names))}") for n, name in enumerate(names)]


def _preprocessing(
    exec_properties: Mapping[str, Any], settings: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    module, _, name = exec_properties["preprocessing_fn"].rpartition(".")
    function = getattr(importlib.import_module(module), name)
    return functools.partial(function, custom_config=settings)


def _schema(uri: str) -> str:
    with tf.io.gfile.GFile(f"{uri}/schema.pbtxt") as file:
        text: str = file.read()
    return text
