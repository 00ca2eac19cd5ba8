"""TensorFlow Data Validation, made importable: `from agnews.components.data_validation import tfdv`.

The newest wheel for glibc 2.36 looks for `tfx_bsl.arrow.sql_util`, which tfx_bsl 1.21 no longer has; importing TFX
first puts a stand-in there. Slicing by SQL, the one thing that needs it, is not used here.
"""

import tfx  # noqa: F401

# isort: split
import tensorflow_data_validation as tfdv

__all__ = ["tfdv"]
