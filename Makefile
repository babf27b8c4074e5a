# Entry points. `make demo` and `make test` are the two that a newcomer needs; README.md explains both.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export HOLDFAST_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/holdfast
# In CI the target directory lives in the cache too, since a fresh clone has none.
ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOLDFAST_CACHE)/target
endif
CARGO ?= cargo

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: check
check: fmt clippy one-tls-provider test-unit ## What every commit passes: format, lints, unit and property tests

.PHONY: fmt
fmt:
	$(CARGO) fmt --all --check

.PHONY: clippy
clippy:
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings

# A second rustls provider makes the process-wide choice ambiguous, and reqwest then panics.
.PHONY: one-tls-provider
one-tls-provider:
	@! $(CARGO) tree --locked -i ring -e normal 2>/dev/null | grep -q . || { echo "ring came back into the dependency tree: cargo tree -i ring"; exit 1; }

.PHONY: test-unit
test-unit: ## Unit and property tests: no cluster needed
	$(CARGO) test --locked --lib --quiet

.PHONY: test-programs
test-programs: ## Compile every test, several at once
	$(CARGO) test --locked --no-run --quiet --lib --tests

.PHONY: deny
deny: ## Licences, bans and sources of the dependencies
	@.ci/deny

.PHONY: deploy
deploy: ## The operator into the current cluster (KUBECONFIG and IMAGE=…, else the test cluster)
	@deploy/apply

.PHONY: demo
demo: ## From a bare machine to a PostgreSQL cluster with backups and a restore, step by step
	@deploy/demo/run

.PHONY: test
test: ## Every test but the long ones, from a bare machine on (AND=test-restores for these too, as CI does)
	@.ci/steps $(AND)

include tests/cluster/cluster.mk
include src/api/api.mk
include tests/schedule/schedule.mk
include tests/scale/scale.mk
include tests/monitoring/monitoring.mk
include tests/storage/storage.mk
-include tests/e2e/e2e.mk
