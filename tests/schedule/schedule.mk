.PHONY: bench-schedule
bench-schedule: ## A year of ten thousand clusters with three schedules each, on one core; JSON last
	@tests/measure schedule a_year_of_ten_thousand_clusters taskset -c 0 2>&1 | tests/json-last
