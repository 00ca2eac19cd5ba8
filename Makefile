# The commands of the README are `make run`, `make serve` and `make test`; everything else is for people who change the code.

PYTHON ?= python3.11
UV := .uv/bin/uv
BIN := .venv/bin
DATA ?= sample
ROOT ?= workspace
ARGS ?=
# Tests run in so many processes, with 5 GB each; ARGS='-n 0 --pdb' stays in one.
JOBS ?= 2
# A target of `make fuzz` each; all of them together take an hour on four processors, two on two.
SECONDS ?= 1000
TARGET ?=

DOCKER ?= docker
DOCKER_ARGS ?=
BASE ?= python:3.11-slim-bookworm
VARIANT ?= cpu
EXTRAS ?=
# A tag that says which code is in it, and never `latest`: see agnews compile.
IMAGE ?= agnews:$(shell git describe --always --dirty --abbrev=12)-$(VARIANT)

.DEFAULT_GOAL := help
.PHONY: help setup run serve test test-kubeflow test-cluster test-docker test-fast test-flink test-long test-gpu fuzz mutants audit sbom lint types layers closures check image base-image format clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## Make .venv with everything in it, compiled

# uv comes from PyPI, by its digest, into a folder of its own; the lock file decides about everything else. Byte code is compiled here,
# because a machine that sets PYTHONDONTWRITEBYTECODE would otherwise compile all of TFX at every start.
$(UV): kubeflow/build-tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "agnews needs Python 3.11; give its path: make PYTHON=/path/to/python3.11 setup" >&2; exit 1; }
	@rm -rf .uv && $(PYTHON) -m venv .uv \
	  || { rm -rf .uv; echo "On Debian and Ubuntu, venv is a package: apt-get install python3.11-venv" >&2; exit 1; }
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r kubeflow/build-tools.txt

.venv/.ready: $(UV) pyproject.toml uv.lock setup.py agnews-workers.pth
	$(UV) sync --frozen --compile-bytecode --python $(PYTHON)
	@touch $@

run: setup ## The main job: data to pushed model (DATA=sample|DIR, ROOT=DIR, ARGS='--set KEY=VALUE ...')
	$(BIN)/agnews run --data $(DATA) --root $(ROOT) $(ARGS)

serve: setup ## Serve what `make run` has pushed, with a page to try it: http://127.0.0.1:8501 (ARGS='--port N ...')
	$(BIN)/agnews serve --root $(ROOT) $(ARGS)

test: setup ## All tests (JOBS=N processes, ARGS='TEST ... -k WORD -n 0')
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-kubeflow: setup ## The compiled pipeline, run by the orchestrator of Kubeflow Pipelines
	$(BIN)/python -m pytest tests/e2e/test_kubeflow.py $(ARGS)

test-cluster: setup ## Client, schedules, a whole run, stop and retry on a live server (AGNEWS_KFP_HOST=URL AGNEWS_TEST_IMAGE=REF)
	$(BIN)/python -m pytest tests/kubeflow/test_any_server.py -m cluster $(ARGS)

test-docker: setup image ## The same in containers of the image, which is built first (as make image; needs a Docker engine)
	AGNEWS_TEST_IMAGE=$(IMAGE) $(BIN)/python -m pytest tests/e2e/test_kubeflow.py $(ARGS)

test-fast: setup ## Unit tests only
	$(BIN)/python -m pytest -m 'not integration and not e2e and not long' $(ARGS)

test-long: setup ## What CI has no time for: 10,000 histories of each machine, ten minutes of a server under load (an hour and more)
	$(BIN)/python -m pytest -m long --timeout 7200 $(ARGS)

test-flink: setup ## The data path on a cluster of Flink on this machine, and what may happen to it (Java, Maven; half an hour)
	$(BIN)/python -m pytest tests/flink -m flink $(ARGS)

test-gpu: setup ## What a GPU makes of training, serving and batches, each against the processor's answers (eight minutes; ARGS=--dry without a GPU)
	@nvidia-smi > /dev/null 2>&1 && $(UV) sync --frozen --inexact --quiet --extra gpu || true
	$(BIN)/python benchmarks/on_gpu.py $(ARGS)

fuzz: setup ## Feed parsers of what strangers send for an hour (SECONDS for each, TARGET=NAME)
	$(BIN)/python tests/fuzz/fuzz.py $(or $(TARGET),--all) --seconds $(SECONDS)

mutants: setup ## Change the rules that decide, and see whether a test notices (hours; MODULE=judge|paired_test|...)
	$(UV) sync --frozen --inexact --quiet --group mutants
	$(BIN)/python tests/mutate.py $(MODULE)

audit: $(UV) ## Known vulnerabilities of what is locked, from osv.dev (ARGS='--ignore ID ...')
	$(UV) audit --frozen --no-dev $(ARGS)

sbom: setup ## What wheel and images are made of, as CycloneDX, and under which licences: build/sbom
	@mkdir -p build/sbom
	$(UV) export --quiet --frozen --no-dev --format cyclonedx1.5 --preview-features sbom-export -o build/sbom/agnews.cdx.json > /dev/null
	$(UV) export --quiet --frozen --no-dev --extra gpu --format cyclonedx1.5 --preview-features sbom-export -o build/sbom/agnews-gpu.cdx.json > /dev/null
	$(UV) export --quiet --frozen --no-default-groups --extra serve --format cyclonedx1.5 --preview-features sbom-export -o build/sbom/agnews-serving.cdx.json > /dev/null
	for engine in openvino onnx; do $(UV) export --quiet --frozen --no-default-groups --extra serve-$$engine --format cyclonedx1.5 \
	  --preview-features sbom-export -o build/sbom/agnews-serving-$$engine.cdx.json > /dev/null || exit 1; done
	$(BIN)/python docs/make_licence_report.py build/sbom/licences.md

lint: setup ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy and import-linter do not see the mapping of folders of an editable install; they read a plain copy.
build/typecheck: setup FORCE
	@rm -rf $@ build/lib build/bdist*
	$(UV) pip install --quiet --no-deps --target $@ .

types: build/typecheck ## Static types
	cd build/typecheck && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p agnews

layers: build/typecheck ## kubeflow > pipeline > components > schemas
	cd build/typecheck && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml

closures: setup ## Which nodes run again when a module changes (MODULE=NAME), and how much code each sees
	$(BIN)/python tests/golden/record_closures.py $(MODULE) $(ARGS)

check: lint types layers test ## All that CI checks

image: ## The container image (VARIANT=cpu|gpu|serving|serving-openvino|serving-onnx, EXTRAS='openvino onnx', BASE=IMAGE, IMAGE=NAME:TAG, DOCKER_ARGS='--network host ...')
	DOCKER_BUILDKIT=1 $(DOCKER) build --file kubeflow/Dockerfile --tag $(IMAGE) --build-arg BASE=$(BASE) \
	  --build-arg VARIANT=$(VARIANT) --build-arg EXTRAS='$(EXTRAS)' --build-arg COMMIT=$$(git describe --always --dirty --abbrev=40) $(DOCKER_ARGS) .
	@echo $(IMAGE)

# debootstrap does not follow virtual packages, so python3-distutils is named.
base-image: ## Without a registry: the image's base from Debian's packages, agnews-base:bookworm (as root)
	rm -rf build/base && mkdir -p build
	debootstrap --variant=minbase --include=python3-venv,python3-distutils,ca-certificates bookworm build/base
	rm -rf build/base/var/cache/apt/* build/base/var/lib/apt/lists/* build/base/usr/share/doc build/base/usr/share/man
	tar -C build/base --numeric-owner -c . | $(DOCKER) import - agnews-base:bookworm
	rm -rf build/base

format: setup ## Rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was built; workspace/ stays
	rm -rf .venv .uv build dist *.egg-info

FORCE:
