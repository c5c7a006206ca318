# Every target first sets up what it needs in build/venv; this takes a while the first time only. A virtual
# environment of the user, such as .venv, is left alone: what is installed there does not change what make runs.
# Works with GNU make 3.81, which macOS still has.

VENV := build/venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --constraint constraints.txt --build-constraint constraints.txt
# More arguments for the command behind a target: make test ARGS="-k address"
ARGS ?=
# Tests mostly wait: three workers on two cores take a third of the time. Tests of one file run in order on one worker.
WORKERS := -n 3 --dist loadfile
# Duration of `make soak`, and of `make fuzz` for each target
SECONDS ?= 60

.PHONY: help demo test lint format bench soak simulate fuzz screenshots deb clean

help:
	@echo 'make demo     three agents on this machine and a live table of them; Ctrl-C ends it.'
	@echo '              ARGS="--backplane" starts a NATS server for them, too'
	@echo 'make test     all tests'
	@echo 'make lint     ruff, mypy, import-linter'
	@echo 'make format   format the code and apply the fixes of ruff'
	@echo 'make bench    the benchmarks, in their short form: a minute'
	@echo 'make soak     agents, clients and random faults for SECONDS=60, then a verdict'
	@echo 'make simulate the large simulated clusters, with figures: two hours, 5 GB'
	@echo 'make fuzz     random bytes for the codec and for connections, SECONDS=60 each'
	@echo 'make screenshots  take the pictures in docs/images again'
	@echo 'make deb      a Debian package of the agent for this Debian, in dist/'
	@echo 'make clean    remove everything that the other targets created'

demo: $(VENV)/.run
	@$(BIN)/nodnod demo $(ARGS)

test: $(VENV)/.develop
	$(BIN)/pytest $(WORKERS) $(ARGS)

lint: $(VENV)/.develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.develop
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.run
	$(BIN)/python bench/limit.py --rounds 1 --number 20000
	$(BIN)/python bench/footprint.py --seconds 5 --clients 1000

soak: $(VENV)/.run
	$(BIN)/python bench/soak.py --seconds $(SECONDS) $(ARGS)

simulate: $(VENV)/.develop
	$(BIN)/python tests/cluster/large.py $(ARGS)

fuzz: $(VENV)/.fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) $(ARGS)

screenshots: $(VENV)/.develop
	$(BIN)/python tests/browser/screenshots.py $(ARGS)

deb: $(VENV)/.place
	packaging/deb/build "$(BIN)/python -m pip" dist

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment only works where it was created: one that was moved, or whose Python is gone,
# is created again.
ifneq ($(shell test -x $(BIN)/python && cat $(VENV)/.place 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.place
endif

$(VENV)/.place:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	        2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo 'NodNod needs Python 3.11 or newer, with venv (on Debian: apt install python3-venv).' >&2; \
	    echo 'None was found as python3, python3.13, python3.12 or python3.11; name yours:' >&2; \
	    echo '    make PYTHON=/path/to/python3' >&2; \
	    exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$python, once"; \
	rm -rf $(VENV) && $$python -m venv $(VENV)
	@# The pip that comes with Python 3.11 knows neither --group nor --build-constraint.
	@$(PIP) install --constraint constraints.txt --upgrade pip
	@echo '$(CURDIR)' > $@

$(VENV)/.run: $(VENV)/.place pyproject.toml constraints.txt
	@$(INSTALL) --editable '.[nats]'
	@touch $@

$(VENV)/.develop: $(VENV)/.run
	@$(INSTALL) --group dev
	@touch $@

# Separate: the fuzzer has wheels for Linux and some versions of Python only.
$(VENV)/.fuzz: $(VENV)/.develop
	@$(INSTALL) --group fuzz
	@touch $@
