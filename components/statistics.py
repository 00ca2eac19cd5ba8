"""Which statistics StatisticsGen takes, and why these."""

from __future__ import annotations

import tfx  # noqa: F401

# isort: split
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from agnews.schemas.features import TEXT

__all__ = ["tfdv"]


def statistics_options() -> tfdv.StatsOptions:
    """Returns the options of TFDV's generators.

    News texts are nearly all different: counting each of them takes most of the time of the default options (11 s
    of 11 on 40,000 rows, against 4 s) and tells nothing. The text is declared opaque here, so that presence and
    lengths in bytes are what is left of it; the features whose values matter are counted with sketches, in
    constant memory.

    Returns:
        Options that serialise to the same bytes each time.
    """
    opaque = schema_pb2.Schema()
    # TFDV has no other name for bytes that are not to be counted.
    opaque.feature.add(name=TEXT, type=schema_pb2.BYTES).image_domain.SetInParent()
    # Distances between histograms of ten buckets, the default, are mostly about where the longest text is.
    return tfdv.StatsOptions(schema=opaque, use_sketch_based_topk_uniques=True, num_histogram_buckets=30)
