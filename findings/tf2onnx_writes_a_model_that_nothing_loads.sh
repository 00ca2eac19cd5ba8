#!/usr/bin/env bash
# tf2onnx writes a model with an operation that ONNX does not have, after no more than an error in its log.
#
# Seen with tf2onnx 1.17.0: TensorFlow writes `tf.nn.gelu` with Erfc, which tf2onnx does not know. It logs "Tensorflow op ... is not
# supported", returns a model with a node Erfc all the same, and nothing raises until a runtime refuses to load it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tf2onnx==1.17.0" "tensorflow==2.21.0" "onnx==1.23.2"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys

import onnx
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

spec = [tf.TensorSpec([None, 4], tf.float32, name="x")]
frozen = convert_variables_to_constants_v2(tf.function(tf.nn.gelu, input_signature=spec).get_concrete_function())
model, _ = tf2onnx.convert.from_graph_def(
    frozen.graph.as_graph_def(),
    input_names=[each.name for each in frozen.inputs],
    output_names=[each.name for each in frozen.outputs],
    opset=17,
)
try:
    onnx.checker.check_model(model)
except onnx.checker.ValidationError as error:
    print("converted without an exception, and the model is not valid:", str(error).splitlines()[0])
    sys.exit(0)
sys.exit("the model is valid")
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py 2>/dev/null
