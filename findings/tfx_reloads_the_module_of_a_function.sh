#!/usr/bin/env bash
# TFX takes functions by name (`run_fn`, `preprocessing_fn`), and reloads the module that the name is in.
#
# Seen with tfx 1.21.0: a class of that module is another one afterwards, so that an object that was made before is no
# instance of it any more: `isinstance` and `except` go wrong, module-wide state starts anew. Modules that it imports stay.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
printf '%s\n' "ml-metadata==1.17.1" "tensorflow-data-validation==1.16.1" "tensorflow==2.21.0" "protobuf==6.33.2" "pandas==2.3.3" "pyarrow==18.1.0" "tensorflow-metadata==1.21.0" "tfx-bsl==1.21.0" "attrs==23.2.0" "pyfarmhash==0.5.1" "setuptools==80.9.0" "apache-beam==2.77.0" > "$work/overrides"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" --override "$work/overrides" "tfx==1.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import pathlib
import sys
from importlib.metadata import version

sys.path.insert(0, str(pathlib.Path().absolute()))
pathlib.Path("user_module.py").write_text(
    "class Settings:\n    pass\n\n\nMADE = []\n\n\ndef run_fn():\n    return Settings\n"
)
import user_module
from tfx.utils import import_utils

before = user_module.Settings()
user_module.MADE.append(before)
run_fn = import_utils.import_func_from_module("user_module", "run_fn")
same, kept = isinstance(before, run_fn()), user_module.MADE
print(f"tfx {version('tfx')}: still an instance of its class: {same}; state of the module: {kept}")
sys.exit(same or kept != [])
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
