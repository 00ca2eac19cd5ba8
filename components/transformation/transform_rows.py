"""A file of raw rows to a file of transformed ones, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the graph
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from agnews.components.available_cores import available_cores
from agnews.components.example_files.read_lots import read_lots
from agnews.components.example_files.write_records import whole_records
from agnews.components.map_ahead import map_ahead

_BATCH = 2048


class RowTransform:
    """A transform graph, as TFX's Transform applies it: the same operations, the same way to write Examples.

    Args:
        transform_graph: Folder or URI that `tft.TFTransformOutput` reads.
    """

    def __init__(self, transform_graph: str) -> None:
        output = tft.TFTransformOutput(transform_graph)
        raw = output.raw_feature_spec()
        schema = output.transformed_metadata.schema
        self._converter = impl_helper.make_tensor_to_arrow_converter(schema)
        self._encoder = RecordBatchToExamplesEncoder(schema)

        def transform(examples: tf.Tensor) -> dict[str, tf.Tensor | tf.SparseTensor]:
            features: dict[str, tf.Tensor | tf.SparseTensor] = output.transform_raw_features(
                tf.io.parse_example(examples, raw)
            )
            return features

        # Without a look at the Python code, which has no loops and is half a second's work to rewrite.
        function = tf.function(transform, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        self._transform = function.get_concrete_function()

    def __call__(self, examples: list[bytes]) -> list[bytes]:
        """Transforms rows; may be called by several threads at once.

        Args:
            examples: Serialised raw Examples.

        Returns:
            A serialised Example a row, in the same order.
        """
        encoded: list[bytes] = self._encoder.encode(self._converter.convert(self._transform(tf.constant(examples))))
        return encoded


def transform_file(
    source: str, target: str, transform: Callable[[list[bytes]], list[bytes]], *, workers: int | None = None
) -> Iterator[int]:
    """Writes what becomes of each row, in the order of the rows.

    Args:
        source: TFRecord file of raw Examples, decompressed if its name ends in `.gz`.
        target: Gzipped TFRecord file to write. It appears whole, or not at all.
        transform: From some Examples to what becomes of them.
        workers: Threads; by default one for each core that the process has.

    Yields:
        How many rows were written since the last time.
    """
    with whole_records(target) as writer:
        for rows in map_ahead(transform, read_lots(source, _BATCH), at_once=workers or available_cores()):
            for row in rows:
                writer.write(row)
            yield len(rows)
