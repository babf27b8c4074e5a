.PHONY: bench-scale
bench-scale: ## N=1000 clusters on an API server without pods: time, memory, processor, requests (STORE=nowhere: a store that does not answer); JSON last
	@N=$(or $(N),1000) tests/scale/run scale::a_thousand_clusters 2>&1 | tests/json-last

.PHONY: bench-due
bench-due: ## N=1000 clusters with a backup due in the same minute: when each is made, how many run at once; JSON last
	@N=$(or $(N),1000) tests/scale/run due::a_thousand_clusters_due_in_the_same_minute 2>&1 | tests/json-last
