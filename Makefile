# The commands to know. Every target installs what it needs; `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
CACHE := $(or $(EVENTPLANE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/eventplane)
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --frozen --quiet
# what runs below calls uv too
export PATH := $(dir $(UV)):$(PATH)
CASE ?= topics
N ?= 1000

.PHONY: help demo test test-keda check generate cluster-up cluster-down image bench setup on-servers on-cluster

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: setup ## a real cluster, a real Kafka, the operator, the samples, an event, the statuses
	$(RUN) python -m e2e.demo

test: check ## everything but test-keda: check, then contract, integration and end-to-end tests on real servers
	$(MAKE) --jobs 2 --keep-going on-servers on-cluster

# Side by side: each waits for servers half of its time.
on-servers: setup
	$(RUN) pytest tests/contract
	$(RUN) pytest tests/integration -n 2 --dist loadfile

on-cluster: setup
	$(RUN) pytest e2e --ignore=e2e/test_keda.py

test-keda: setup ## pods that follow the lag by a real KEDA, which is built the first time: 20 minutes of processor time
	$(RUN) pytest e2e/test_keda.py

check: setup ## lint, types, layers, unit tests with coverage, generated files in sync
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) mypy
	$(RUN) lint-imports --no-logo
	$(RUN) deptry --no-ansi .
	$(RUN) vulture
	$(RUN) codespell
	$(RUN) python -m hack.generate --check
	$(RUN) pytest tests/unit tests/generated --cov -n auto

generate: setup ## make CRDs, the install manifest and the reference from the models
	$(RUN) python -m hack.generate

cluster-up: setup ## bring up the kind cluster and the messaging servers; what runs is kept
	$(RUN) python -m e2e.cluster up

cluster-down: setup ## stop exactly what cluster-up started
	$(RUN) python -m e2e.cluster down

image: setup ## build the operator's image and load it into the cluster if that runs
	$(RUN) python -m e2e.cluster image

bench: setup ## measure beside a raw floor: make bench CASE=topics N=1000
	$(RUN) python -m bench.$(CASE) --n $(N)

setup: $(UV) ## install the locked dependencies
	@$(UV) sync --frozen --quiet

$(CACHE)/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "python3 (3.11 or later) is missing: install it"; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed"; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq \
		&& apt-get install -y -qq python3-venv; } || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "installing uv from PyPI into $(CACHE)/uv"
	@python3 -m venv $(CACHE)/uv && $(CACHE)/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'
