.PHONY: test-e2e
test-e2e: ## End-to-end scenarios, of the deployed operator (SCENARIO=words of a name for some)
	@tests/e2e/run $(SCENARIO)
