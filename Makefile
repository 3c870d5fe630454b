# `make demo` and `make test` are all a fresh clone needs; see README.md.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := deploy/requirements

# Debian keeps server programs such as mosquitto in /usr/sbin, which a plain user's PATH lacks.
WITH_TOOLS := PATH="$(CURDIR)/$(BIN):$$PATH:/usr/sbin:/sbin"

# A machine without a time server would have the agent wait ten minutes after a boot before it records.
export ENERGY_AGENT_CLOCK_WAIT_S := 0

# Tests and trials start the commands hundreds of times; without bytecode each start compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test year bench check fuzz lock soak torture clean

demo: $(VENV)/.demo
	@exec $(BIN)/energy-agent demo $(ARGS)

# What talks to servers and processes depends on the time that others take: it has the machine to itself. Lines wait for
# what does not come, five minutes in all with ten seconds of processor time: four wait at once. The rest runs on two
# cores, a module in one process, the modules in their order, so that no long one is left over.
PYTEST := $(WITH_TOOLS) $(BIN)/python -m pytest
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
LINES := tests/drivers

test: check
	@deploy/setup.sh servers
ifeq ($(strip $(ARGS)),)
	@failed=; \
	$(PYTEST) -m "not integration" $(SIDE_BY_SIDE) || failed=yes; \
	$(PYTEST) -m integration --numprocesses 4 --dist worksteal $(LINES) || failed=yes; \
	$(PYTEST) -m integration --ignore $(LINES) || failed=yes; \
	[ -z "$$failed" ]
else
	@$(PYTEST) $(ARGS)
endif

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev
	@deploy/setup.sh servers
	@$(WITH_TOOLS) $(BIN)/python -m tests.bench $(ARGS)

soak: $(VENV)/.dev
	@deploy/setup.sh servers
	@$(WITH_TOOLS) $(BIN)/python -m tests.soak $(ARGS)

year: $(VENV)/.dev
	@$(BIN)/python -m tests.year $(ARGS)

torture: $(VENV)/.dev
	@deploy/setup.sh servers
	@$(WITH_TOOLS) $(BIN)/python -m tests.torture --full $(ARGS)

# The fuzzer exists for Linux on x86-64 alone; elsewhere it says so.
fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

# Keeps the pins that still fit; `make lock ARGS=--upgrade` moves them all forward.
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --quiet pyproject.toml $(ARGS)

lock: $(VENV)/.dev
	@$(LOCK) --output-file $(REQUIREMENTS)/agent.txt
	@$(LOCK) --extra demo --extra build --output-file $(REQUIREMENTS)/demo.txt
	@$(LOCK) --extra demo --extra build --extra dev --output-file $(REQUIREMENTS)/dev.txt

# The stamps: an environment is filled again when its lock or the project's metadata changed.
$(VENV)/.demo: $(REQUIREMENTS)/demo.txt pyproject.toml
	@deploy/setup.sh demo

$(VENV)/.dev: $(REQUIREMENTS)/dev.txt pyproject.toml
	@deploy/setup.sh dev

clean:
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis bench.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
