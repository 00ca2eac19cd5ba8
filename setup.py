"""Installs the folders of the top level under one import root, `agnews`.

Their plain names would clash with other packages (`kubeflow` is one on PyPI, `tests` is everybody's), so
`agnews.pipeline` is `pipeline/`, and so on. `tests` and `benchmarks` are never installed. Everything else
about the project stands in pyproject.toml.
"""

from setuptools import find_packages, setup

ROOT = "agnews"
LAYERS = ("schemas", "components", "pipeline", "kubeflow")

# What comes along besides code.
DATA = (
    "*.css",
    "*.html",
    "*.md",
    "*.pbtxt",
    "*.txt",
    "*.yaml",
    "configs/*.yaml",
    "corpora/*.yaml",
    "configs/deployment/*.yaml",
    "page/*",
    "py.typed",
)

packages = [
    ROOT,
    *(f"{ROOT}.{package}" for layer in LAYERS for package in (layer, *(f"{layer}.{p}" for p in find_packages(layer)))),
]

setup(
    packages=packages,
    # What is imported from `agnews` itself is in api/.
    package_dir={ROOT: "api", **{f"{ROOT}.{layer}": layer for layer in LAYERS}},
    package_data={package: [*DATA] for package in packages},
)
