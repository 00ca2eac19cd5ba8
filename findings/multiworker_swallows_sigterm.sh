#!/usr/bin/env bash
# A process that makes a MultiWorkerMirroredStrategy no longer hears SIGTERM through a handler that it has set before.
#
# Seen with TensorFlow 2.21.0: the strategy starts a watcher for preemption that takes the signal over. A handler set
# before the strategy is never called, and without one the process does not end; one that is set afterwards is called.
# Kubernetes and systemd say goodbye with SIGTERM.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow==2.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import json
import os
import signal
import socket
import sys
import time

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ["TF_CONFIG"] = json.dumps(
    {"cluster": {"worker": [f"127.0.0.1:{port}"]}, "task": {"type": "worker", "index": 0}}
)
import tensorflow as tf

told = []
signal.signal(signal.SIGTERM, lambda *_: told.append("handler set before the strategy"))
strategy = tf.distribute.MultiWorkerMirroredStrategy()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(2)
before = list(told)
signal.signal(signal.SIGTERM, lambda *_: told.append("handler set after the strategy"))
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(2)
print(f"TensorFlow {tf.__version__}\ntold after the first SIGTERM: {before}\ntold after the second: {told}", flush=True)
# Without a good-bye: the strategy's threads would be waited for.
os._exit(before != [] or told != ["handler set after the strategy"])
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
