"""Installs the folders of the top level under one import root, `agnews`.

Their plain names would clash with other packages (`kubeflow` is one on PyPI, `tests` is everybody's), so
`agnews.pipeline` is `pipeline/`, and so on. `tests` and `benchmarks` are never installed. Everything else
about the project stands in pyproject.toml.
"""

from pathlib import Path

from setuptools import Distribution, find_packages, setup

from distutils.command.install_data import install_data  # isort: skip - setuptools brings it

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


class InstallIntoPackages(install_data):
    """Installs data files beside the packages, where Python looks for `.pth` files."""

    def finalize_options(self) -> None:
        """Chooses the folder."""
        super().finalize_options()
        self.install_dir = str(Path(self.install_dir).parent / "purelib")


class DistributionWithData(Distribution):
    """One whose data files are in editable wheels too: setuptools asks there by a name that it does not define."""

    def has_data(self) -> bool:
        """Whether there are any."""
        return bool(self.data_files)


setup(
    distclass=DistributionWithData,
    packages=packages,
    # Lets TFDV be imported in processes of Beam's workers, which start without us: components/tfx_before_tfdv.py.
    data_files=[("", ["agnews-workers.pth"])],
    cmdclass={"install_data": InstallIntoPackages},
    # What is imported from `agnews` itself is in api/.
    package_dir={ROOT: "api", **{f"{ROOT}.{layer}": layer for layer in LAYERS}},
    package_data={package: [*DATA] for package in packages},
)
