# Everything starts from Python >= 3.11 and make: `make demo` shows the package at work, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE := 1
# Modules are compiled once, and not by every process again, where the environment forbids Python to write what it compiled.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-all check fix docs browser demo-app audit benchmarks clean
help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/installed ## embed light curves and draw what the model sees, into runs/demo
	$(BIN)/python scripts/demo.py

test: $(VENV)/installed-dev ## the test suite, some minutes
	$(BIN)/pytest

test-all: $(VENV)/installed-dev browser ## and the slow tests
	$(BIN)/pytest -m ""

check: $(VENV)/installed-dev ## lint, format, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/installed-dev ## mend what the linter and formatter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev ## build the documentation into runs/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

browser: ## Chromium without a screen for the demo page's test (Debian, Ubuntu; needs root)
	@command -v chromedriver >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get update -qq; apt-get install -y -qq chromium chromium-driver; }; } || \
		echo "No Chromium is here: the demo page's test will be skipped."

demo-app: $(VENV)/installed ## a page in the browser to try the model on
	$(BIN)/pip install --quiet -c constraints.txt -e '.[demo]'
	$(BIN)/python scripts/demo_app.py

audit: $(VENV)/installed-dev ## compare the installed versions with the advisories of PyPI; needs a network
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install --quiet 'pip-audit>=2.10,<3'
	$(VENV)-audit/bin/pip-audit --strict --skip-editable $$(printf -- '--path %s ' $(VENV)/lib/python*/site-packages)

benchmarks: $(VENV)/installed-dev ## the speed of everything, into runs/benchmarks.md; 12 minutes on a quiet machine
	$(BIN)/python scripts/benchmark_all.py ../shared/data/sss_catalina_south.parquet --released runs/macho_a0 \
		$$(test -x runs/upstream/bin/python && echo --upstream runs/upstream/bin/python)

clean: ## remove the environment, the demo's output and caches
	rm -rf $(VENV) $(VENV)-audit runs/demo .pytest_cache .mypy_cache .ruff_cache dist
	find . -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) came: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "This Python lacks venv: install it (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[convert]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
