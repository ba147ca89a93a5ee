# Two commands do everything on a machine with Python 3.10 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
TOOLS := .venv-tools

.PHONY: demo test test-compiled check lint types fuzz fuzz-quick coverage mutants lock wheel sbom compiled bench \
	bench-quick detection peers clean

demo: $(RUN_READY)  ## make sample files, scan them, draw a call chain
	@bash benchmarks/demo.sh $(BIN)

test: $(DEV_READY)  ## run the tests; those of the compiled modules again, where there is a compiler
	PVM_PURE=1 $(BIN)/python -m pytest
	@if command -v cc >/dev/null; then $(MAKE) --no-print-directory test-compiled; \
	else echo "no C compiler: the compiled build is not tested"; fi

test-compiled: compiled
	$(BIN)/python -m pytest tests/pvm/test_skeleton.py tests/pvm/test_scanning.py tests/pvm/test_source_first.py tests/pvm/test_straight.py tests/pvm/test_leaps.py \
		tests/pvm/test_exactness.py tests/pvm/test_vectors.py \
		tests/pvmscan/test_settle.py tests/pvmscan/test_rest.py tests/pvmscan/test_scan.py tests/pvmscan/readers

check: $(DEV_READY)  ## lint, format, strict types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: $(DEV_READY)  ## compare the machine with the real unpicklers on a million programs
	$(BIN)/python fuzz/fuzz_oracle.py --programs 1000000

fuzz-quick: $(DEV_READY)  ## every fuzz program for a few minutes, all together
	$(BIN)/python fuzz/fuzz_oracle.py --programs 100000
	$(BIN)/python fuzz/fuzz_skeleton.py --programs 20000
	$(BIN)/python fuzz/fuzz_machine.py --inputs 5000
	$(BIN)/python fuzz/fuzz_metamorphic.py --inputs 2000
	$(BIN)/python fuzz/fuzz_rest.py --inputs 5000
	$(BIN)/python fuzz/fuzz_readers.py --inputs 5000
	$(BIN)/python fuzz/atheris_targets.py --replay

coverage: $(DEV_READY)  ## branch coverage of the machine and the library, by the pure build; fails below 95%
	rm -f .coverage .coverage.*
	PVM_PURE=1 $(BIN)/coverage run -m pytest -q tests/pvm tests/pvmscan
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered

mutants: $(DEV_READY)  ## share of small changes to the code that its tests notice, from a sample
	$(BIN)/python fuzz/mutants.py --count 100 --seed 1

$(TOOLS): Makefile
	@test -d $(TOOLS) || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8" "cyclonedx-bom>=7" "hatchling>=1.27"
	@touch $(TOOLS)

lock: $(TOOLS)  ## write requirements-dev.lock anew: newest versions that fit, with their hashes
	{ echo "# What tests and checks run with: python -m pip install --require-hashes -r requirements-dev.lock"; \
	echo "# Written by make lock, from pyproject.toml."; \
	$(TOOLS)/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet; } > requirements-dev.lock

wheel: $(TOOLS)  ## the pure wheel and the source archive; equal sources give equal bytes
	PVM_PURE=1 SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(TOOLS)/bin/python -m hatchling build -d dist
	cd dist && sha256sum * | tee SHA256SUMS

sbom: $(TOOLS)  ## what is installed with pvmscan, as CycloneDX JSON in dist/
	rm -rf .venv-sbom && $(PYTHON) -m venv --without-pip .venv-sbom && mkdir -p dist
	$(PYTHON) -m pip --python .venv-sbom/bin/python install --quiet --disable-pip-version-check .
	$(TOOLS)/bin/cyclonedx-py environment .venv-sbom/bin/python --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file dist/pvmscan.cdx.json
	rm -rf .venv-sbom

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
	rm -rf $(VENV) .venv-peers .venv-sbom $(TOOLS) dist .coverage .coverage.* demo benchmarks/.data benchmarks/results .pytest_cache .mypy_cache .ruff_cache .hypothesis
