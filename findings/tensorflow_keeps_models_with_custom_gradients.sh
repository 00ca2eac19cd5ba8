#!/usr/bin/env bash
# TensorFlow keeps each model that it has loaded, if the model was saved with a custom gradient.
#
# Seen with TensorFlow 2.21.0: loading registers the gradient under a new name in a table that nothing is removed from, and
# the gradient holds the graphs that it stands in, with their constants. Of six loads of one small model all twelve graphs are
# alive after the last reference to it has gone, and memory grows with each load. Saved with
# `SaveOptions(experimental_custom_gradients=False)`, the same model goes. A server that changes models grows by one a change.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow==2.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import gc
import sys
import weakref

import numpy as np
import tensorflow as tf


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.table = np.random.default_rng(0).normal(size=(1000, 2000)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, 1000])])
    def serve(self, rows):
        @tf.custom_gradient
        def clipped(x):
            return tf.clip_by_value(x, -1.0, 1.0), lambda upstream: upstream

        return clipped(rows @ tf.constant(self.table))


def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def load_six_times(folder):
    """How many of twelve graphs are there that nobody holds any more, and by how much memory grew after the first load."""
    graphs, after_the_first = [], 0.0
    for _ in range(6):
        loaded = tf.saved_model.load(folder)
        loaded.signatures["serving_default"](tf.zeros([1, 1000]))
        for function in (loaded.signatures["serving_default"], loaded.serve.concrete_functions[0]):
            graphs.append(weakref.ref(function.graph))
        del loaded, function
        gc.collect()
        after_the_first = after_the_first or megabytes()
    return sum(graph() is not None for graph in graphs), megabytes() - after_the_first


model = Model()
for custom in (True, False):
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=custom)
    tf.saved_model.save(model, f"model-{custom}", signatures=model.serve, options=options)
print(f"TensorFlow {tf.__version__}")
alive = {}
for custom in (False, True):
    alive[custom], growth = load_six_times(f"model-{custom}")
    print(f"saved with custom gradients: {custom}; graphs alive: {alive[custom]} of 12; memory: {growth:+.0f} MB")
sys.exit(alive != {False: 0, True: 12})
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py 2>/dev/null
