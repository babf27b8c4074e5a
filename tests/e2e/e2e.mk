.PHONY: test-e2e
test-e2e: ## End-to-end scenarios but the restores, of the deployed operator (SCENARIO=words of a name for some, also of those)
	@tests/e2e/run $(SCENARIO)

.PHONY: test-restores
test-restores: ## End-to-end scenarios of restores, new clusters and rehearsals: a quarter of an hour
	@tests/e2e/run restoring::

.PHONY: test-kill
test-kill: ## A controller that is killed after each of its writes: backups, schedules, retention, restores, new clusters, rehearsals: twenty minutes
	@tests/e2e/run --kill $(SCENARIO)

.PHONY: test-ledger
test-ledger: ## Ten restores to moments at random while writers note what is acknowledged to them: ten minutes
	@tests/e2e/run --ledger $(SCENARIO)

.PHONY: test-outage
test-outage: ## A store that is out for ten minutes in the middle of a backup, and one that is gone for good: a quarter of an hour
	@tests/e2e/run --outage $(SCENARIO)

.PHONY: bench-backup-latency
bench-backup-latency: ## What the operator adds to pgBackRest's own time (BENCH_ROWS=… for another size); JSON last
	@tests/e2e/run --bench backup_latency 2>&1 | tests/json-last

.PHONY: bench-backup
bench-backup: ## Our defaults against those of the compatible operator, on 2 GB: backups, a restore, the repository; JSON last
	@tests/e2e/run --bench backup_defaults 2>&1 | tests/json-last

.PHONY: bench-restore
bench-restore: ## Restores in place beside the same by hand, on 2 GB; the replay of 2 GB of WAL; what looking first takes; JSON last
	@tests/e2e/run --bench restore_speed 2>&1 | tests/json-last
