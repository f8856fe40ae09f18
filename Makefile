# Every command of the project. A fresh machine needs Python 3.11+, git and make.

PYTHON ?= python3
BIN := .venv/bin
GENERATED := clients/python/errands/v1
# Tests wait for servers and disks more than they compute, so there are two for each core.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
# What the contract must not break: main, or, on main itself, the commit before.
AGAINST = $(shell if [ "$$(git rev-parse HEAD)" = "$$(git rev-parse main 2>/dev/null)" ]; \
  then git rev-parse --quiet --verify HEAD^ >/dev/null && echo ref=HEAD^ || echo ref=HEAD; else echo branch=main; fi)

# Programs start from their bytecode, as they do where they are installed.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-postgres torture-postgres soak counterparts serve setup generate lock check lint types walls buf \
  drift format torture torture-crashes torture-stops fuzz bench \
  bench-stages bench-growth bench-postgres bench-others bench-openapi bench-house bench-smoke clean

demo: setup ## Set up, then run the demonstration: a run that survives kill -9
	$(BIN)/errands demo

test: setup ## Set up, then run the tests
	$(BIN)/pytest -n $(WORKERS) -m "not counterparts"

test-postgres: setup ## Then all that keep a database, on a PostgreSQL of their own
	$(BIN)/python -m tests.postgres $(BIN)/pytest -n $(WORKERS) -m "not counterparts" \
	  tests/store tests/contract tests/executor tests/engines tests/services tests/api tests/streams tests/journeys \
	  tests/credentials tests/gateway tests/cli

counterparts: setup ## Then the tests against others' servers (Node), and those that take long
	$(BIN)/pytest -n $(WORKERS) -m counterparts

serve: setup ## Set up, then start a server on .errands
	$(BIN)/errands serve

setup: .venv/.ready ## Create .venv from the locked dependencies

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Errands needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

PROTOC = $(BIN)/python -m grpc_tools.protoc -Iproto --python_out=$(1) --pyi_out=$(1) --grpc_python_out=$(1) \
  proto/errands/v1/*.proto

generate: setup ## Generate the Python code from proto/
	rm -f $(GENERATED)/*_pb2*.py*
	$(call PROTOC,clients/python)

lock: setup ## Lock the dependencies anew
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --group dev --generate-hashes --universal \
	  --python-version 3.11 --no-emit-index-url -o requirements.lock

check: lint types walls buf drift ## Everything CI checks besides tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

walls: setup
	$(BIN)/lint-imports

buf: setup
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/buf breaking --against '.git#$(AGAINST)'

# Generated beside the working tree: tests may be importing what is in it.
drift: setup
	fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(call PROTOC,"$$fresh") && \
	  diff -r -x __init__.py -x __pycache__ "$$fresh/errands/v1" $(GENERATED)
	git diff --exit-code -- $(GENERATED)
	test -z "$$(git ls-files --others --exclude-standard $(GENERATED))"

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format -w

torture: torture-crashes torture-stops ## Kill and stop servers, and prove that nothing is lost or done twice

torture-crashes: setup
	$(BIN)/python -m tests.torture.crashes --runs 200

torture-stops: setup
	$(BIN)/python -m tests.torture.stops

torture-postgres: setup ## The same kills with two servers over one PostgreSQL
	$(BIN)/python -m tests.postgres $(BIN)/python -m tests.torture.crashes --runs 100 --processes 2

soak: setup ## Half an hour at 70 % of what the server carries, with kills, cuts and slow readers
	$(BIN)/python -m tests.torture.soak --minutes $(or $(MINUTES),30)

fuzz: setup ## Let Schemathesis ask the gateway thousands of questions
	$(BIN)/python -m tests.gateway.fuzz

bench: setup ## Measure against the raw ceiling (needs h2load: Debian's nghttp2-client)
	$(BIN)/python -m tests.bench

bench-stages: setup ## What a run costs, stage by stage, in microseconds and bytes
	$(BIN)/python -m tests.bench.stages

bench-growth: setup ## How costs grow, what waits holds, how long starts take: tables, and plots into docs/performance/
	$(BIN)/python -m tests.bench.growth
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.starts

bench-postgres: setup ## The table of ratios, and how costs grow, over a PostgreSQL that waits for its disk
	$(BIN)/python -m tests.postgres --durable $(BIN)/python -m tests.bench
	$(BIN)/python -m tests.postgres --durable $(BIN)/python -m tests.bench.growth

bench-others: setup ## The same small run on DBOS and Restate (needs a network once, and npm)
	$(BIN)/python -m tests.bench.others
	$(BIN)/python -m tests.postgres --durable $(BIN)/python -m tests.bench.others

bench-openapi: setup ## Import real documents, have requests judged, plan over GitHub's (needs npm and a network once)
	$(BIN)/python -m tests.bench.documents
	$(BIN)/python -m tests.bench.prism
	$(BIN)/python -m tests.bench.github

bench-house: setup ## How finely the code is cut, and how many modules five trips enter
	$(BIN)/python -m tests.bench.house
	$(BIN)/python -m tests.bench.trips

bench-smoke: setup
	$(BIN)/python -m tests.bench --rounds 1 --scale 0.1
	$(BIN)/python -m tests.bench.stages --runs 100

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
