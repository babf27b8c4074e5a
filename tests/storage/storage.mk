.PHONY: test-storage
test-storage: cluster ## Stores and repositories: real S3, Azure and GCS servers and a real pgBackRest in the test cluster
	$(CARGO) test --locked --quiet --test storage --no-run
	tests/cluster/in $(CARGO) test --locked --quiet --offline --test storage
