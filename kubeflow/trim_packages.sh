#!/bin/sh
# Takes out of an environment what nothing reads while the product runs: 430 MB of TensorFlow's headers, libclang, which
# TensorFlow asks for and does not import, and the tests that come with NumPy, SciPy and Arrow.
#
#     trim_packages.sh ENVIRONMENT
set -eu
cd "$1"/lib/python3.*/site-packages
rm -rf tensorflow/include clang pyarrow/include pyarrow/tests
for package in numpy scipy; do
  if [ -d "$package" ]; then find "$package" -type d -name tests -prune -exec rm -rf {} +; fi
done
