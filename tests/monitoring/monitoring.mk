.PHONY: test-monitoring
test-monitoring: ## Alerts against recorded series, with Prometheus' own promtool; what deploy/monitoring applies
	@tests/monitoring/run
