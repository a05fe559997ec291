# Two commands are all the set-up there is: `make report` and `make test`.
PYTHON ?= python3
OUT ?= reports
PROFILE ?= auto
BIN := .venv/bin

.PHONY: report test test-all test-platforms lint lab clean

report: .venv/installed
	$(BIN)/labkit report --profile $(PROFILE) --out $(OUT)

test: .venv/installed lint
	$(BIN)/python tests/run.py

test-all: .venv/installed lint
	$(BIN)/python tests/run.py --slow

test-platforms: .venv/installed
	$(BIN)/python tests/platforms/run.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: .venv/installed
	$(BIN)/jupyter lab notebooks

# Versions are those that the tests ran with; pyproject.toml says which others should work.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .platforms lab_output reports .mypy_cache .ruff_cache .pytest_cache .hypothesis
