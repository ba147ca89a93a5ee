# Two commands do everything on a machine with Python 3.10 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready

.PHONY: demo test test-compiled check lint types fuzz compiled bench bench-quick detection peers clean

demo: $(RUN_READY)  ## make sample files, scan them, draw a call chain
	@bash benchmarks/demo.sh $(BIN)

test: $(DEV_READY)  ## run the tests; those of the compiled modules again, where there is a compiler
	PVM_PURE=1 $(BIN)/python -m pytest
	@if command -v cc >/dev/null; then $(MAKE) --no-print-directory test-compiled; \
	else echo "no C compiler: the compiled build is not tested"; fi

test-compiled: compiled
	$(BIN)/python -m pytest tests/pvm/test_skeleton.py tests/pvm/test_scanning.py tests/pvm/test_source_first.py tests/pvm/test_straight.py tests/pvm/test_exactness.py \
		tests/pvmscan/test_settle.py tests/pvmscan/test_scan.py tests/pvmscan/readers

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

bench: $(RUN_READY)  ## speed and memory against other scanners, installed below benchmarks/.data; after `make compiled` both builds
	$(BIN)/python -m benchmarks

bench-quick: $(RUN_READY)  ## the same in two minutes, without other scanners
	$(BIN)/python -m benchmarks --quick

detection: $(RUN_READY)  ## verdicts over the development corpus
	$(BIN)/python benchmarks/detection.py --all
	$(BIN)/python benchmarks/formats.py --benign

peers:  ## install the scanners whose interfaces pvmscan.compat has, for the tests that compare with them
	@test -d .venv-peers || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check modelscan==0.8.8 picklescan==1.0.5

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
	rm -rf $(VENV) .venv-peers demo benchmarks/.data benchmarks/results .pytest_cache .mypy_cache .ruff_cache .hypothesis
