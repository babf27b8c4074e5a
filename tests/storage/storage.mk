.PHONY: test-storage
test-storage: cluster ## Stores and repositories: real S3, Azure and GCS servers and a real pgBackRest in the test cluster
	$(CARGO) test --locked --quiet --test storage --no-run
	@# More threads than processors: they mostly wait for pods.
	RUST_TEST_THREADS=6 tests/cluster/in $(CARGO) test --locked --quiet --offline --test storage

.PHONY: bench-archive
bench-archive: cluster ## What it costs to know an archive of a million segments on S3; JSON last
	@tests/measure storage million::an_archive_of_a_million_segments tests/cluster/in 2>&1 | tests/json-last
