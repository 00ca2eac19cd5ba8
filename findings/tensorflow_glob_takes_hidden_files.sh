#!/usr/bin/env bash
# In TensorFlow's patterns of file names `*` stands for names that begin with a dot, too.
#
# Seen with TensorFlow 2.21.0: `tf.io.gfile.glob("rows/*")` and `tf.data.Dataset.list_files("rows/*")` find `rows/.part.tmp`,
# which a shell and Python's glob leave out. A file that a killed writer has left under such a name is read as rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow==2.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import glob
import pathlib
import subprocess
import sys

import tensorflow as tf

pathlib.Path("rows").mkdir()
for name in ("whole", ".part.tmp"):
    pathlib.Path("rows", name).write_text("row\n")
found = {
    "a shell": subprocess.run("echo rows/*", shell=True, capture_output=True, text=True).stdout.split(),
    "Python": glob.glob("rows/*"),
    "tf.io.gfile.glob": sorted(tf.io.gfile.glob("rows/*")),
    "tf.data.Dataset.list_files": sorted(map(bytes.decode, tf.data.Dataset.list_files("rows/*").as_numpy_iterator())),
}
print(f"TensorFlow {tf.__version__}, files that rows/* stands for:")
for who, names in found.items():
    print(f"  {who}: {names}")
both, one = ["rows/.part.tmp", "rows/whole"], ["rows/whole"]
sys.exit(list(found.values()) != [one, one, both, both])
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py 2>/dev/null
