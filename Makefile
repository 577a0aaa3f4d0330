# One vocabulary for people, the README and CI. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
ENV ?= dev
APPROVAL ?=
STAY ?= 1
ARCHIVE ?=
PORT ?= 4566
TESTS ?=
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
# Byte-code is kept: without it the CDK alone takes five seconds longer to import, TensorFlow more.
export PYTHONDONTWRITEBYTECODE :=
# The CDK command line must neither report usage nor ask for news: the laptop works without a network.
export CDK_DISABLE_CLI_TELEMETRY := true
LOCK = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --no-emit-find-links --no-header --quiet
# What is vendored into a deployment, by dependency group and machine: Lambda runs on aarch64, SageMaker on x86_64.
LIBRARIES := .venv/libraries/engine-x86_64/.installed .venv/libraries/dicom-x86_64/.installed .venv/libraries/dicom-aarch64/.installed \
             .venv/libraries/dicom-result-aarch64/.installed .venv/libraries/jwt-aarch64/.installed .venv/libraries/predict-aarch64/.installed
# What tests need; four things lie in folders of their own, because they cannot live with the rest.
TESTED_WITH := .venv/dev.installed .venv/serving/.installed .venv/training-toolkit/.installed .venv/client-generator/.installed .venv/checkov/.installed node_modules/.bin/cdk $(LIBRARIES)
# The lock files are whole; what the engine's leaves out, the serving container has.
VENDOR = uv pip install --quiet --require-hashes --only-binary :all: --python-version 3.12 --no-compile-bytecode --no-deps

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

# A half-finished folder has no marker. The marker is the lock file itself, so synthesis can tell a stale folder.
.venv/libraries/%-aarch64/.installed: requirements/%.txt | $(BIN)/uv
	rm -rf $(@D)
	$(VENDOR) --python-platform aarch64-manylinux_2_28 --target $(@D) -r $<
	@cp $< $@

.venv/libraries/%-x86_64/.installed: requirements/%.txt | $(BIN)/uv
	rm -rf $(@D)
	$(VENDOR) --python-platform x86_64-manylinux_2_28 --target $(@D) -r $<
	@cp $< $@

.PHONY: libraries
libraries: $(LIBRARIES)  ## the packages that functions and endpoints carry into AWS, for the machines there

.venv/serving/.installed: requirements/serving.txt | $(BIN)/uv
	rm -rf $(@D)
	uv pip install --python $(BIN)/python --quiet --require-hashes --no-deps --target $(@D) -r $<
	@touch $@

# Unpacked, not built: building it wants a C compiler, for what nothing here uses.
.venv/training-toolkit/.installed: requirements/training-toolkit.txt | .venv/dev.installed
	rm -rf $(@D)
	$(BIN)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary :all: --no-build-isolation --dest $(@D) -r $<
	cd $(@D) && python -m tarfile --extract *.tar.gz
	@touch $@

node_modules/.bin/cdk: package-lock.json
	@node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' \
	  || { echo "Node 20 or newer is needed for the CDK command line." >&2; exit 1; }
	npm ci --no-audit --no-fund --silent
	@touch $@

.venv/client-generator/.installed .venv/checkov/.installed .venv/audit/.installed: .venv/%/.installed: requirements/%.txt | $(BIN)/uv
	rm -rf $(@D)
	uv pip install --python $(BIN)/python --quiet --require-hashes --target $(@D) -r $<
	@touch $@

.PHONY: demo
demo: .venv/laptop.installed node_modules/.bin/cdk  ## the whole stack on this machine: deploy, train, approve, predict (ARCHIVE=path.zip, STAY=0, PORT=4566)
	@python -m local.demo --port $(PORT) $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(filter 0,$(STAY)),--no-stay)

.PHONY: lint
lint: .venv/dev.installed  ## style, formatting and types
	ruff check . && ruff format --check . && mypy

.PHONY: unit
unit: .venv/dev.installed  ## the tests that need Python packages only (TESTS="tests/ops -k cost" for some of them)
	pytest -n auto --no-loadscope-reorder -m "not system and not slow and not long and not synth and not serving" $(TESTS)

.PHONY: test
test: $(TESTED_WITH)  ## everything that must hold: lint, types, unit, synth and whole-stack tests (TESTS=... for some of them)
	@$(MAKE) --no-print-directory --jobs=2 lint tested

# Beside `lint`: checking types takes one processor a minute. What it finds stands among the first dots; the end says that it failed.
.PHONY: tested
tested: $(TESTED_WITH)
	pytest -n auto --no-loadscope-reorder -m "not long" $(TESTS)

.PHONY: test-long
test-long: $(TESTED_WITH)  ## what takes minutes more: each network converted for the second engine, a hung endpoint (TESTS=...)
	pytest -n auto --no-loadscope-reorder -m long $(TESTS)

.PHONY: format
format: .venv/dev.installed  ## format and fix what can be fixed
	ruff format . && ruff check --fix .

.PHONY: synth
synth: .venv/deploy.installed node_modules/.bin/cdk $(LIBRARIES)  ## templates of ENV into cdk.out (no account, no network)
	cdk synth --quiet --context env=$(ENV)

.PHONY: diff
diff: .venv/deploy.installed node_modules/.bin/cdk $(LIBRARIES)  ## what a deploy of ENV would change in AWS
	cdk diff --method=template --context env=$(ENV)  # reads, and makes no change set

.PHONY: bootstrap
bootstrap: .venv/deploy.installed node_modules/.bin/cdk  ## prepare the account and region of ENV for the CDK, once
	cdk bootstrap --context env=$(ENV)

.PHONY: deploy
deploy: .venv/deploy.installed node_modules/.bin/cdk $(LIBRARIES)  ## deploy ENV to the AWS account of your credentials
	$(if $(filter-out never broadening,$(APPROVAL)),$(error APPROVAL=$(APPROVAL): deploy asks before permissions are widened, and with APPROVAL=never about nothing))
	cxr --env $(ENV) deploy $(if $(filter never,$(APPROVAL)),--yes)

.PHONY: destroy
destroy: .venv/deploy.installed node_modules/.bin/cdk $(LIBRARIES)  ## remove ENV from AWS (what settings retain stays)
	cxr --env $(ENV) destroy

.PHONY: pipeline
pipeline: .venv/dev.installed  ## compile pipeline/definition.py into pipeline/definition.json, and write settings and parameters into docs/settings.md
	python -m pipeline.definition
	python -m pipeline.reference

.PHONY: policy
policy: .venv/dev.installed node_modules/.bin/cdk $(LIBRARIES)  ## write who may do what, and the roles that deploy, from the templates into docs/
	python -m policy

.PHONY: fidelity
fidelity: .venv/dev.installed  ## write what the laptop answers, and how far as AWS does, into docs/
	python -m local.fidelity.pages

.PHONY: scale
scale: .venv/dev.installed  ## write what larger collections take and cost, from measured rates, into docs/
	python -m ops.cost.scale

.PHONY: capacity
capacity: .venv/dev.installed  ## write what a rate of predictions takes and costs, from measured times, into docs/
	python -m ops.cost.capacity

.PHONY: audit
audit: .venv/deploy.installed .venv/audit/.installed node_modules/.bin/cdk  ## known vulnerabilities of every locked dependency (asks advisory services over the network)
	python -m policy.advisories

.PHONY: sbom
sbom: synth .venv/sbom.installed  ## what a deployment of ENV carries, as CycloneDX in build/
	@python -m policy.sbom --env $(ENV)

.PHONY: lock
lock: .venv/dev.installed  ## resolve the dependencies again into requirements/
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --group laptop -c requirements/dev.txt -o requirements/laptop.txt
	$(LOCK) pyproject.toml --group build -c requirements/dev.txt -o requirements/deploy.txt
	$(LOCK) pyproject.toml --group sbom -c requirements/dev.txt -o requirements/sbom.txt
	$(LOCK) --group serving --no-deps -o requirements/serving.txt
	$(LOCK) --group engine --no-deps -c requirements/dev.txt -o requirements/engine.txt
	$(LOCK) --group dicom -c requirements/dev.txt -o requirements/dicom.txt
	$(LOCK) --group dicom-result -c requirements/dev.txt -o requirements/dicom-result.txt
	$(LOCK) --group jwt -c requirements/dev.txt -o requirements/jwt.txt
	$(LOCK) --group predict -c requirements/dev.txt -o requirements/predict.txt
	$(LOCK) --group training-toolkit --no-deps -o requirements/training-toolkit.txt
	$(LOCK) --group client-generator -o requirements/client-generator.txt
	$(LOCK) --group checkov -o requirements/checkov.txt
	$(LOCK) --group audit -o requirements/audit.txt

.PHONY: clean
clean:  ## remove what commands made (not the installation)
	rm -rf cdk.out build .laptop .pytest_cache .mypy_cache .ruff_cache
