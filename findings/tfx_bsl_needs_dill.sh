#!/usr/bin/env bash
# tensorflow-data-validation 1.16.1 installs with what its own requirements ask for, and cannot be imported.
#
# Seen with what PyPI gives for it on Python 3.11 (tfx-bsl 1.16.1, apache-beam 2.72.0): tfx_bsl.beam imports dill, which it does
# not require; it came along with Beam until Beam made it an extra.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow-data-validation==1.16.1" "tfx-bsl==1.16.1" "tensorflow==2.16.2" "apache-beam==2.72.0" "setuptools==80.9.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
from importlib.metadata import requires, version

try:
    import tensorflow_data_validation
except ModuleNotFoundError as error:
    missing = error.name
else:
    missing = None
named = [each for each in requires("tfx-bsl") if each.startswith("dill")]
print(f"tfx-bsl {version('tfx-bsl')}, apache-beam {version('apache-beam')}: no module {missing}, required: {named}")
sys.exit(missing != "dill" or bool(named))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
