#!/usr/bin/env bash
# tf.data.experimental.AutoShardPolicy.AUTO is documented as sharding by files where it can and by rows where it cannot.
#
# Seen with TensorFlow 2.21.0: with fewer files than workers AUTO does not fall back to rows. The first worker gets
# "Could not apply FILE based sharding: the dataset only has 1 file(s), which is not enough", the others get no row at
# all and no error; so a training on three workers fails or hangs. With DATA each worker gets its third.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow==2.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
import tensorflow as tf
from tensorflow.python.data.ops import dataset_ops

WORKERS = 3
with tf.io.TFRecordWriter("rows") as writer:
    for number in range(9):
        writer.write(str(number).encode())


def rows_of(worker, policy):
    files = tf.data.TFRecordDataset(["rows"])
    shard = tf.raw_ops.AutoShardDataset(
        input_dataset=files._variant_tensor,
        num_workers=WORKERS,
        index=worker,
        auto_shard_policy=int(policy.value),
        output_types=[tf.string],
        output_shapes=[[]],
    )
    try:
        return [row.numpy().decode() for row in dataset_ops._VariantDataset(shard, tf.TensorSpec([], tf.string))]
    except tf.errors.InvalidArgumentError as error:
        return "not enough" if "which is not enough" in str(error) else str(error)


policies = tf.data.experimental.AutoShardPolicy
auto = [rows_of(worker, policies.AUTO) for worker in range(WORKERS)]
data = [rows_of(worker, policies.DATA) for worker in range(WORKERS)]
print(f"TensorFlow {tf.__version__}, one file, {WORKERS} workers\nAUTO: {auto}\nDATA: {data}")
sys.exit(auto != ["not enough", [], []] or sorted(sum(data, [])) != [str(number) for number in range(9)])
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
