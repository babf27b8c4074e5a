.PHONY: test-storage
test-storage: cluster ## Stores and repositories: a real S3 server and a real pgBackRest in the test cluster
	$(CARGO) test --locked --quiet --test storage --no-run
	tests/cluster/in $(CARGO) test --locked --quiet --offline --test storage
