#!/usr/bin/env bash
# OpenVINO's CPU plugin computes int64 in 32 bits, and the remainder of whole numbers in float32.
#
# Seen with OpenVINO 2026.4.1: `(x * 1000003) % 262144` of int64 differs from TensorFlow's on most numbers, without a word; so does
# `x % 262147` of int32 where x has more than 24 bits.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "openvino==2026.4.1" "tensorflow==2.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys

sys.modules["openvino_telemetry"] = None  # It would report the import.
import numpy as np
import openvino
import tensorflow as tf


def share_of_equal(function, values):
    spec = tf.TensorSpec([None], values.dtype)
    graph = tf.function(function, input_signature=[spec]).get_concrete_function()
    found = openvino.Core().compile_model(openvino.convert_model(graph), "CPU")(values)[0]
    return float((found == graph(tf.constant(values)).numpy()).mean())


ids = np.random.default_rng(0).integers(0, 30_000, 10_000)
wide = share_of_equal(lambda x: (x * 1_000_003) % 262_144, ids)
narrow = share_of_equal(lambda x: x % 262_147, (ids * 60_000).astype(np.int32))
print(f"equal to TensorFlow: {wide:.1%} with int64, {narrow:.1%} with int32 of more than 24 bits")
sys.exit(wide == 1.0 and narrow == 1.0)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py 2>/dev/null
