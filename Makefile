# The one command surface: `make` lists the recipes, and CI calls nothing else.
# Every recipe makes .venv first, so nobody needs to call `make env`.

PYTHON ?= python3
ARGS ?=
RUN := .venv/bin/python
FLOORS := $(RUN) -m scripts.test_floors

.DEFAULT_GOAL := help
.PHONY: help env demo demo-servers demo-cluster test check unit integration conformance fuzz cluster charts docs crds docs-pages lock control-plane bench clean
MAKEFLAGS += --no-print-directory

help: ## list the recipes
	@$(PYTHON) scripts/recipes.py

.venv/stamp: pyproject.toml requirements/dev.txt scripts/make_env.py
	@$(PYTHON) scripts/make_env.py

env: .venv/stamp ## make .venv with everything pinned (the other recipes do it by themselves)

demo: env ## two real model servers, one paid API and a failover, without a cluster
	@$(RUN) -m scripts.demo $(ARGS)

demo-servers: env ## the servers that examples/quickstart points at, until Ctrl-C
	@$(RUN) -m scripts.demo_servers

demo-cluster: env ## the same through a real Kubernetes API server, with operator and two routers
	@$(RUN) -m scripts.demo_cluster $(ARGS)

test: env ## everything: check, unit, integration, conformance, a short fuzz, cluster, charts, docs
	@$(FLOORS)

check: env ## lint, format, types, layer contracts, generated files, lock files
	@$(FLOORS) check

unit: env ## pure code and fakes (ARGS="-k sse" goes to pytest, as on every floor)
	@$(FLOORS) unit -- $(ARGS)

integration: env ## real sockets and processes on loopback
	@$(FLOORS) integration -- $(ARGS)

conformance: env ## the newest clients of OpenAI, Anthropic, OpenRouter and LangChain, against scripted and real models
	@$(FLOORS) conformance -- $(ARGS)

fuzz: env ## a million executions over all readers of foreign bytes, about 15 minutes (ARGS="--runs 10000 streams")
	@$(RUN) -m tests.fuzz $(ARGS)

cluster: env ## a real Kubernetes API server (its programs are built once, about five minutes)
	@$(FLOORS) cluster -- $(ARGS)

charts: env ## Helm charts: rendered, validated, installed
	@$(FLOORS) charts -- $(ARGS)

docs: env ## the documentation says what the code does
	@$(FLOORS) docs -- $(ARGS)

crds: env ## write all that is generated from the code: crds/, parts of charts/, pages of docs/
	@$(RUN) -m tieline_api.schema
	@$(RUN) -m scripts.charts
	@$(RUN) -m scripts.reference_docs

docs-pages: env ## of that, the pages of docs/ alone
	@$(RUN) -m scripts.reference_docs

lock: env ## renew requirements/*.txt from pyproject.toml (ARGS=--upgrade takes newer versions)
	@$(RUN) -m scripts.lock $(ARGS)

control-plane: env ## start a real Kubernetes control plane on loopback and keep it until Ctrl-C
	@$(RUN) -m tests.support.control_plane $(ARGS)

bench: env ## the benchmarks, half an hour (ARGS=gateways compares gateways, ARGS="gateways --quick" in minutes)
	@$(RUN) -m bench $(ARGS)

clean: ## remove what the recipes made in this folder, .venv included
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
