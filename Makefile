# One vocabulary for people, the README and CI. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
ENV ?= dev
STAY ?= 1
ARCHIVE ?=
PORT ?= 4566
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
# Byte-code is kept: without it the CDK alone takes five seconds longer to import, TensorFlow more.
export PYTHONDONTWRITEBYTECODE :=
# The CDK command line must neither report usage nor ask for news: the laptop works without a network.
export CDK_DISABLE_CLI_TELEMETRY := true
LOCK = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-emit-find-links --no-header --quiet

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Name another with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9

# Each set of packages is installed once per change of its lock file; a larger set holds the smaller ones.
.venv/%.installed: requirements/%.txt pyproject.toml | $(BIN)/uv
	uv pip install --python $(BIN)/python --quiet --require-hashes -r $<
	uv pip install --python $(BIN)/python --quiet --no-build-isolation --no-deps -e .
	@touch $@

node_modules/.bin/cdk: package-lock.json
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' \
	  || { echo "Node 20 or newer is needed for the CDK command line." >&2; exit 1; }
	npm ci --no-audit --no-fund --silent
	@touch $@

.PHONY: demo
demo: .venv/laptop.installed node_modules/.bin/cdk  ## the whole stack on this machine: deploy, train, approve, predict (ARCHIVE=path.zip, STAY=0, PORT=4566)
	@python -m local.demo --port $(PORT) $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(filter 0,$(STAY)),--no-stay)

.PHONY: test
test: .venv/dev.installed node_modules/.bin/cdk  ## everything that must hold: lint, types, unit, synth and whole-stack tests
	ruff check . && ruff format --check . && mypy
	pytest -n auto --no-loadscope-reorder

.PHONY: check
check: .venv/dev.installed node_modules/.bin/cdk  ## the fast part of `make test`: no emulator, no training
	ruff check . && ruff format --check . && mypy
	pytest -n auto --no-loadscope-reorder -m "not system and not slow"

.PHONY: format
format: .venv/dev.installed  ## format and fix what can be fixed
	ruff format . && ruff check --fix .

.PHONY: synth
synth: .venv/deploy.installed node_modules/.bin/cdk  ## templates of ENV into cdk.out (no account, no network)
	cdk synth --quiet --context env=$(ENV)

.PHONY: diff
diff: .venv/deploy.installed node_modules/.bin/cdk  ## what a deploy of ENV would change in AWS
	cdk diff --context env=$(ENV)

.PHONY: bootstrap
bootstrap: .venv/deploy.installed node_modules/.bin/cdk  ## prepare the account and region of ENV for the CDK, once
	cdk bootstrap --context env=$(ENV)

.PHONY: deploy
deploy: .venv/deploy.installed node_modules/.bin/cdk  ## deploy ENV to the AWS account of your credentials
	cdk deploy --all --context env=$(ENV)

.PHONY: destroy
destroy: .venv/deploy.installed node_modules/.bin/cdk  ## remove ENV from AWS (what settings retain stays)
	cdk destroy --all --context env=$(ENV)

.PHONY: pipeline
pipeline: .venv/dev.installed  ## compile pipeline/definition.py into pipeline/definition.json
	python -m pipeline.definition

.PHONY: lock
lock: .venv/dev.installed  ## resolve the dependencies again into requirements/
	$(LOCK) --group dev -o requirements/dev.txt
	$(LOCK) --group laptop -c requirements/dev.txt -o requirements/laptop.txt
	$(LOCK) --group build -c requirements/dev.txt -o requirements/deploy.txt

.PHONY: clean
clean:  ## remove what commands made (not the installation)
	rm -rf cdk.out build .laptop .pytest_cache .mypy_cache .ruff_cache
