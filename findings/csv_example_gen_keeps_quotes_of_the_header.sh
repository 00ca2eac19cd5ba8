#!/usr/bin/env bash
# TFX's CsvExampleGen reads quoted columns, and not a quoted header.
#
# Seen with tfx 1.21.0: of a file whose first line is "class","title" the features are called `"class"` and `"title"`, quotes
# included, while the quotes of the values are gone. Spreadsheets and R write such headers.
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
import tensorflow as tf
from importlib.metadata import version
from tfx import v1 as tfx

pathlib.Path("data").mkdir()
pathlib.Path("data/rows.csv").write_text('"class","title"\n' + '"a","one"\n"b","two"\n' * 50)
generator = tfx.components.CsvExampleGen(input_base=str(pathlib.Path("data").absolute()))
tfx.orchestration.LocalDagRunner().run(
    tfx.dsl.Pipeline(
        pipeline_name="quotes",
        pipeline_root=str(pathlib.Path("out").absolute()),
        components=[generator],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config("db"),
        beam_pipeline_args=["--runner=FnApiRunner"],
    )
)
files = [str(path) for path in pathlib.Path("out").rglob("*.gz")]
first = next(iter(tf.data.TFRecordDataset(files, compression_type="GZIP"))).numpy()
features = tf.train.Example.FromString(first).features.feature
names = sorted(features)
values = sorted(feature.bytes_list.value[0].decode() for feature in features.values())
print(f"tfx {version('tfx')}: features {names}, values {values}")
sys.exit(names != ['"class"', '"title"'] or any('"' in value for value in values))
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
