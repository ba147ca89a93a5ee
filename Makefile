# Two commands do everything on a machine with Python 3.10 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

.PHONY: demo test check lint types fuzz bench clean

demo: $(RUN_READY)  ## make sample files, scan them, draw a call chain
	@bash benchmarks/demo.sh $(BIN)

test: $(DEV_READY)  ## run the tests
	$(BIN)/python -m pytest

check: $(DEV_READY)  ## lint, format, strict types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: $(DEV_READY)  ## compare the machine with the real unpicklers on a million programs
	$(BIN)/python fuzz/fuzz_oracle.py --programs 1000000

compiled: $(DEV_READY)  ## build the machine's hot modules beside their source, with Cython and a C compiler
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "cython>=3.1" "setuptools>=70"
	$(BIN)/python hatch_build.py

bench: $(RUN_READY)  ## verdicts over the development corpus
	$(BIN)/python benchmarks/detection.py

$(RUN_READY): pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV_READY): pyproject.toml $(RUN_READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$$($(BIN)/python -c 'import pathlib, re; \
		text = pathlib.Path("pyproject.toml").read_text(); \
		group = re.search(r"^dev = \[(.*?)^\]", text, re.S | re.M).group(1); \
		print(" ".join(re.findall(r"\"([^\"]+)\"", group)))')
	@touch $@

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
