.PHONY: crds
crds: ## Generate crds/ and docs/reasons.md from src/api
	$(CARGO) run --locked --quiet -- crds --directory crds
	$(CARGO) run --locked --quiet -- reasons > docs/reasons.md

.PHONY: test-api
test-api: ## CRD rules and samples against a real API server (KUBECONFIG, or one started for it)
	tests/api/server $(CARGO) test --locked --quiet --test api
