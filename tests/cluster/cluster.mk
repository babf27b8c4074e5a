# The test cluster. Its scripts explain themselves; each can be run by hand.
.PHONY: prerequisites
prerequisites: ## What the machine must bring: installed where apt can, named where not
	@tests/cluster/prerequisites

.PHONY: cluster
cluster: ## The test cluster: a real Kubernetes with S3, Azure and GCS stores
	@tests/cluster/up

.PHONY: down
down: ## End the test cluster and delete its data
	@tests/cluster/down

.PHONY: images
images: ## Build the images and load what changed into the test cluster
	@tests/cluster/images

.PHONY: build
build: ## The binaries, for glibc 2.28 or newer, in target/release
	@deploy/images/build-binary
