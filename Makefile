# make demo | test | whole | search | check | figures | bench | wheel | image. Each sets up what it needs in .venv, and nothing outside it.
#   make demo ARGS="--orders 20 --keep"      make test ARGS="-k settings"      make PYTHON=/usr/bin/python3.12 test

VENV := .venv
PY := $(VENV)/bin/python
# How many run tests side by side: half of what they do is to wait.
JOBS := 3
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

# The last: 1,500 processes of the tests would each compile every module again.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PYTHONDONTWRITEBYTECODE

.PHONY: help demo test whole search check written figures pictures bench wheel image clean

help:
	@sed -n 's/^# //p; 2q' Makefile

demo: $(VENV)/.runs
	@$(PY) -m consent_engine demo $(ARGS)

# Three tiers, and each test has one (tests/tiers.py). `test` needs what pip installs and nothing more; `whole` is what CI runs
# besides, with servers, a browser and containers; `search` draws anew what both try a sample of, and breaks the code on purpose:
# hours. What was skipped stands at the end, with the reason; CONSENT_TESTS_REQUIRE=all makes it a failure.
RUN_TESTS = $(PY) -m pytest -q -rs -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.tests
	@$(RUN_TESTS) -m fast $(ARGS)

# Containers come and go with network addresses of this machine; a browser breaks off its requests at each. So never both at once.
whole: $(VENV)/.tests
ifeq ($(ARGS),)
	@failed=0; $(PY) -m pytest -q -rs -m whole tests/containers || failed=1; \
	$(RUN_TESTS) -m whole --ignore=tests/containers || failed=1; exit $$failed
else
	@$(RUN_TESTS) -m whole $(ARGS)
endif

# The same again: make search SEED=... DEEP=...; one file of it: ARGS=..., which leaves out what is no test.
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
DEEP := 40

search: $(VENV)/.tests
	@echo "make search SEED=$(SEED) DEEP=$(DEEP)"
	@TESTS_DEEP=$(DEEP) $(RUN_TESTS) -m searches --hypothesis-seed=$(SEED) $(ARGS)
ifeq ($(ARGS),)
	@$(PY) -m benchmarks.mutations.run
	@$(PY) -m benchmarks.http.axe
endif

# The last asks for npm (Debian: nodejs, npm); nothing else here does.
check: $(VENV)/.tests
	@echo "== ruff format"; $(PY) -m ruff format --check .
	@echo "== ruff check"; $(PY) -m ruff check .
	@echo "== mypy"; $(PY) -m mypy
	@echo "== TypeScript, Biome"; $(PY) -m tests.front.check

# Everything that is written from the code: references, word lists, the lifecycle of both READMEs, the table of folders.
written: $(VENV)/.tests
	@for page in settings metrics lifecycle replies rooms evidence feeds; do $(PY) docs/$$page.py --write || exit 1; done

# Sizes, rooms, circles among them, docstrings that name no error: from the sources.
figures: $(VENV)/.tests
	@$(PY) docs/figures.py

# The pictures of the READMEs, of a demo looked at in Chromium (Debian: chromium-headless-shell).
pictures: $(VENV)/.tests
	@$(PY) -m docs.pictures

# Ours and the peers in turn, on this machine; peers' environments are made under .bench. ARGS="--quick" for a first look.
bench: $(VENV)/.runs
	@$(PY) -m benchmarks.peers.bench $(ARGS)

# A release of what is committed, into dist/, the same bytes wherever it is made: SIGN=key.pem signs its sums (deploy/release).
wheel: $(VENV)/.tests
	@deploy/release wheel $(PY)

image:
	@deploy/release image $(ARGS)

clean:
	@rm -rf $(VENV) .bench build dist *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# A version name may exist and fail (version managers), and a Python may come without venv: each is tried.
$(VENV)/.python: constraints.txt
	@set -e; found=; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3.14 python3 python; do \
	    if "$$python" -c '$(FITS)' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "This needs Python 3.11 to 3.14 with venv (Debian: apt-get install python3-venv)," \
	         "or make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "== setting up $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV); \
	$(PIP) setuptools; \
	touch $@

$(VENV)/.runs: $(VENV)/.python pyproject.toml
	@echo "== installing the engine and what it runs on"
	@$(PIP) --no-build-isolation --editable .
	@touch $@

# A fifth of these modules is ever imported, and compiled then.
$(VENV)/.tests: $(VENV)/.runs
	@echo "== installing what the tests need"
	@$(PIP) --no-compile --no-build-isolation --editable '.[dev]'
	@touch $@
