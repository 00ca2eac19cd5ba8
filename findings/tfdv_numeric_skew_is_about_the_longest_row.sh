#!/usr/bin/env bash
# TensorFlow Data Validation compares numeric features by the Jensen-Shannon divergence of histograms.
#
# Seen with tensorflow-data-validation 1.16.1: the standard histogram has ten buckets of equal width between the least and
# the largest value. So two samples with the same 3,000 values have a divergence of 0.99 once a single one of them is very
# large: all other rows fall into its first bucket.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "tensorflow-data-validation==1.16.1" "tensorflow==2.16.2" "apache-beam==2.72.0" "pandas==1.5.3" "numpy==1.26.4" "dill==0.4.1" "setuptools==80.9.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
import numpy as np
import pandas as pd
import tensorflow_data_validation as tfdv


def divergence(one, other):
    statistics = [tfdv.generate_statistics_from_dataframe(pd.DataFrame({"words": each})) for each in (one, other)]
    schema = tfdv.infer_schema(statistics[0])
    tfdv.get_feature(schema, "words").skew_comparator.jensen_shannon_divergence.threshold = 0.05
    found = tfdv.validate_statistics(statistics[0], schema, serving_statistics=statistics[1])
    ((measured,),) = [info.skew_measurements for info in found.drift_skew_info]
    return measured.value


words = np.random.default_rng(1).integers(20, 40, 3000)
one_long = words.copy()
one_long[0] = 100_000
same, but_one = divergence(words, words), divergence(words, one_long)
print(f"tensorflow-data-validation {tfdv.__version__}: {same:.3f} for equal rows, {but_one:.3f} where one row differs")
sys.exit(same != 0.0 or but_one < 0.9)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
