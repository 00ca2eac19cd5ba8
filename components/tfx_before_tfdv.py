"""Imports TFX, without which TensorFlow Data Validation cannot be imported.

TFX puts a stand-in in the place of `tfx_bsl.arrow.sql_util`, which has gone from tfx-bsl and which TFDV asks for. The
process that builds a Beam pipeline has imported TFX; a worker unpickles what names TFDV first. So `agnews-workers.pth`,
which every Python of the environment reads when it starts, has this module imported just before TFDV, and costs a
comparison of a name for each import otherwise.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("tfx") is not None:
    import tfx  # noqa: F401
