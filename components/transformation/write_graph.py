"""The graph that prepares rows, written without a look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import metadata_io
from tensorflow_transform.tf_metadata.dataset_metadata import DatasetMetadata
from tensorflow_transform.tf_metadata.schema_utils import schema_as_feature_spec

from agnews.schemas.errors import AgnewsError, ExitCode


def write_graph(
    preprocess: Callable[[Mapping[str, Any]], dict[str, Any]], schema_pbtxt: str, transform_graph: str
) -> None:
    """Writes what `tft.TFTransformOutput` reads.

    Args:
        preprocess: From raw features by name to transformed ones; it learns nothing from the rows.
        schema_pbtxt: Says what the raw features are.
        transform_graph: Folder or URI to write to.

    Raises:
        AgnewsError: `preprocess` has analyzers: what they learn is in the rows.
    """
    schema = text_format.Parse(schema_pbtxt, schema_pb2.Schema())
    features = schema_as_feature_spec(schema).feature_spec
    metadata_io.write_metadata(DatasetMetadata(schema), f"{transform_graph}/{tft.TFTransformOutput.RAW_METADATA_DIR}")
    try:
        impl_helper.analyze_in_place(
            preprocess,
            force_tf_compat_v1=False,
            feature_specs=features,
            type_specs=impl_helper.get_type_specs_from_feature_specs(features),
            transform_output_path=transform_graph,
        )
    except RuntimeError as error:
        if "analyzers" not in str(error):
            raise
        raise AgnewsError(
            "The preprocessing function learns something from the rows, and Transform does not look at them first.",
            found=str(error),
            fix="Learn it in a step of its own and hand it over, or use `tfx.components.Transform` in "
            "agnews/pipeline/pipeline.py.",
            exit_code=ExitCode.FAILED,
        ) from error
