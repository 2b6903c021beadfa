# make help   what there is
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env train repro test lint prove bench lock clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY)  ## make the environment in .venv from the hashed lock file
	@echo "Environment: $(VENV) (activate with: source $(VENV)/bin/activate)"

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python 3.11 to 3.13 is needed, this is %d.%d: make PYTHON=python3.11 ..." % v)'
	@echo "Making the environment in $(VENV) (about 6 GB with torch's CUDA build; a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

train: env  ## train the default: a ResNet-18 on drawn shapes, no download
	$(PY) -m src.train

repro: env  ## the whole pipeline, as far as it is out of date: dvc repro with this environment
	PATH="$(abspath $(VENV))/bin:$$PATH" dvc repro

test: env  ## every test: no network, GPU or data needed
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses 2

lint: env  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

prove: env  ## the promises that take longer, as a table: kills, accuracies on real data (DATA_ROOT)
	$(PY) -m tests.prove

bench: env  ## how fast it is, as tables; also in benchmarks/RESULTS.md and the README
	$(PY) -m benchmarks

lock: env  ## pin the newest versions that pyproject.toml allows, with hashes and without index addresses
	$(PY) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile pyproject.toml --extra dev --extra slurm --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --upgrade --quiet --output-file requirements.lock

clean:  ## remove the environment and caches; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
