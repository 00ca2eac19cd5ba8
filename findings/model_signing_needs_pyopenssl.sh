#!/usr/bin/env bash
# model-signing 1.1.1 installs with what its own requirements ask for, and cannot verify.
#
# Seen with what PyPI gives for it on Python 3.11: model_signing.verifying imports OpenSSL, the package pyopenssl, which it does not
# require.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "model-signing==1.1.1" "sigstore==4.5.1"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
from importlib.metadata import requires, version

try:
    import model_signing.verifying
except ModuleNotFoundError as error:
    missing = error.name
else:
    missing = None
named = [each for each in requires("model-signing") if "openssl" in each.lower()]
print(f"model-signing {version('model-signing')}: no module {missing}, required: {named}")
sys.exit(missing != "OpenSSL" or bool(named))
PYTHON
"$work/venv/bin/python" surprise.py
