"""Lists the operations of TensorFlow 2.20 and TensorFlow Text 2.20, which TensorFlow Serving 2.20 has linked in.

    python3.11 -m venv /tmp/tf && /tmp/tf/bin/pip install "tensorflow-cpu==2.20.0" "tensorflow-text==2.20.1"
    /tmp/tf/bin/python tests/golden/record_tensorflow_serving_ops.py

Writes tests/golden/tensorflow_serving_ops.txt.gz. That server links `tensorflow/core` and `tensorflow_text:ops_lib`
(tensorflow_serving/model_servers/BUILD), from which these two packages are built as well.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import tensorflow_text  # noqa: F401 - registers its operations
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session


def main() -> None:
    """Records the names."""
    operations = op_def_pb2.OpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    names = "".join(f"{name}\n" for name in sorted(each.name for each in operations.op))
    target = Path(__file__).with_name("tensorflow_serving_ops.txt.gz")
    target.write_bytes(gzip.compress(names.encode(), mtime=0))


if __name__ == "__main__":
    main()
