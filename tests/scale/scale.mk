.PHONY: bench-scale
bench-scale: ## N=1000 clusters on an API server without pods: time, memory, processor, requests; JSON last
	@N=$(or $(N),1000) tests/scale/run scale::a_thousand_clusters 2>&1 | awk '/^\{/ {json = $$0; next} {print; fflush()} END {print json; exit json == ""}'

.PHONY: bench-due
bench-due: ## N=1000 clusters with a backup due in the same minute: when each is made, how many run at once; JSON last
	@N=$(or $(N),1000) tests/scale/run due::a_thousand_clusters_due_in_the_same_minute 2>&1 | awk '/^\{/ {json = $$0; next} {print; fflush()} END {print json; exit json == ""}'
