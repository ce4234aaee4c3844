# The front door. `make` shows what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Outside the checkout, so that the next clone finds the dependencies built. DataFusion alone takes minutes.
CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/aggregator/target
# The SQL planner recurses deeply in unoptimised builds.
RUST_MIN_STACK ?= 16777216
export CARGO_TARGET_DIR RUST_MIN_STACK

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Collect, join, aggregate and deliver open data on a cluster in one process, twice, and check the result
	@scripts/setup demo
	@scripts/demo/run

.PHONY: up
up: ## Start a cluster in one process for the same samples, which is kept in .demo/cluster, until Ctrl-C
	@scripts/setup demo
	cargo build --workspace --locked --quiet
	@scripts/demo/up

.PHONY: test
test: ## Run every test, those of the operator also on the embedded cluster, and the demo as the last one
	@scripts/setup test
	@scripts/test

.PHONY: test-embedded
test-embedded: export AGGREGATOR_PLANE := embedded
test-embedded: ## Run the tests that have a Kubernetes control plane on the embedded cluster
	@scripts/setup test
	cargo test --workspace --locked --test control_plane --test node_runner --test cluster --test faults

.PHONY: test-conformance
test-conformance: ## Do the same 520 times to the embedded cluster and to a real control plane, and compare every field
	@scripts/setup test
	cargo test --workspace --locked --test conformance -- --nocapture

.PHONY: test-matrix
test-matrix: export AGGREGATOR_KUBERNETES := 1.34
test-matrix: ## Run the tests that have a Kubernetes control plane on the oldest release, 1.34, and its kubectl on the embedded one
	@scripts/setup test
	cargo test --workspace --locked --test control_plane --test program --test node_runner --test cluster --test faults
	AGGREGATOR_PLANE=embedded cargo test --workspace --locked --test control_plane --test node_runner --test cluster

.PHONY: test-kubelet
test-kubelet: ## Run a sample on a real kubelet with containerd, as root, if AGGREGATOR_KUBELET=yes
	@scripts/kubelet/run

.PHONY: lint
lint: ## Check formatting, lints, documentation, scripts, and what the repository may not contain
	@scripts/setup lint
	@scripts/lint

.PHONY: control-plane
control-plane: ## Start the published Kubernetes control plane with a node and the operator, until Ctrl-C
	@scripts/setup test
	cargo build --workspace --locked --bins --examples
	@CARGO_MANIFEST_DIR="$(CURDIR)/tests" "$(CARGO_TARGET_DIR)/debug/examples/control-plane"

.PHONY: features
features: ## Check that the worker builds without connectors, and with each of them alone
	@scripts/setup build
	@for feature in "" file s3 postgres sqlite http generator; do \
	  echo "connectors: $${feature:-none}"; \
	  cargo check --locked --package aggregator-worker --no-default-features --features "$$feature"; \
	done

.PHONY: build
build: ## Build the release binary, dist/aggregator
	@scripts/setup build
	cargo build --release --locked --package aggregator-cli
	@install -D "$(CARGO_TARGET_DIR)/release/aggregator" dist/aggregator
	@ls -l dist/aggregator

.PHONY: bench
bench: build ## Measure dist/aggregator beside its peers on TPC-H, and write docs/benchmarks.md; BENCH="…" has other options
	@scripts/setup bench
	@scripts/bench/run $(or $(BENCH),--larger 3 --write)

.PHONY: bench-operator
bench-operator: build ## Measure the operator of dist/aggregator with thousands of objects, and write docs/benchmarks.md; BENCH="…" as above
	@scripts/setup test
	cargo build --workspace --locked --bins --examples
	@CARGO_MANIFEST_DIR="$(CURDIR)/cli" "$(CARGO_TARGET_DIR)/debug/examples/bench-operator" $(or $(BENCH),--write)

.PHONY: bench-embedded
bench-embedded: build ## Measure aggregator up of dist/aggregator: start, writes, watchers, fires, kills; BENCH="…" as above
	cargo build --release --locked --package aggregator-cli --example bench-embedded
	@CARGO_MANIFEST_DIR="$(CURDIR)/cli" "$(CARGO_TARGET_DIR)/release/examples/bench-embedded" $(or $(BENCH),--write)

.PHONY: soak
# Other numbers each time, unless a SEED is given; `make test` has the same every time.
soak: export SEED ?= clock
soak: ## Kill runs and operators at every point and at KILLS random moments (1000), try all faults, change every plan: a day
	@scripts/setup test
	AGGREGATOR_POINTS=all cargo test --workspace --locked --test cli -- --nocapture points::
	AGGREGATOR_KILLS=$(or $(KILLS),1000) cargo test --workspace --locked --test cli -- --nocapture moments::
	AGGREGATOR_KILLS=200 cargo test --workspace --locked --test cli -- --nocapture up_kills::
	AGGREGATOR_FAULTS=all cargo test --workspace --locked --test cli -- --nocapture stores::
	AGGREGATOR_STATES=$(or $(STATES),1000000) cargo test --workspace --locked --lib -- --nocapture model:: clock:: schedule::
	AGGREGATOR_FAULTS=all cargo test --workspace --locked --test faults -- --nocapture
	AGGREGATOR_FAULTS=all AGGREGATOR_PLANE=embedded cargo test --workspace --locked --test faults -- --nocapture
	AGGREGATOR_ROUNDS=100 cargo test --workspace --locked --test cluster -- --nocapture leaders::
	AGGREGATOR_ROUNDS=100 AGGREGATOR_PLANE=embedded cargo test --workspace --locked --test cluster -- --nocapture leaders::
	AGGREGATOR_QUIET=600 cargo test --workspace --locked --test cluster -- --nocapture chaos::quiet
	AGGREGATOR_ACTIONS=10000 cargo test --workspace --locked --test cluster -- --nocapture walks::
	cargo test --workspace --locked --test cluster -- --nocapture fires::
	cargo test --workspace --locked --test schema --test patches --test access --test discovery --test watching -- --nocapture
	$(MAKE) mutants

.PHONY: mutants
mutants: ## Change plans and commits, one thing at a time, and see that a test fails: hours; MUTANTS="…" as cargo-mutants has options
	@scripts/setup test
	@scripts/setup mutants
	@scripts/mutants $(MUTANTS)

.PHONY: reliability
reliability: export AGGREGATOR_RELIABILITY := $(CARGO_TARGET_DIR)/reliability.jsonl
reliability: ## Run the tests of docs/reliability.md, and write its figures; as much as in make test, unless variables ask for more
	@scripts/setup test
	@rm -f "$(AGGREGATOR_RELIABILITY)"
	cargo build --workspace --locked --bins --examples
# What is timed has the machine for itself.
	cargo test --workspace --locked --lib -- --test-threads 1 the_laws_of_ ten_years_are_made_up_for
	cargo test --workspace --locked --lib -- --skip the_laws_of_ --skip ten_years_are_made_up_for model:: clock:: schedule::
	cargo test --workspace --locked --test faults -- --nocapture
	AGGREGATOR_PLANE=embedded cargo test --workspace --locked --test faults -- --nocapture
	cargo test --workspace --locked --test cluster -- --nocapture leaders:: chaos:: under:: ends:: zombies:: fires:: walks::
	AGGREGATOR_PLANE=embedded cargo test --workspace --locked --test cluster -- --nocapture leaders::
	cargo test --workspace --locked --test cli -- --nocapture points:: moments:: stores::
	@CARGO_MANIFEST_DIR="$(CURDIR)/operator" "$(CARGO_TARGET_DIR)/debug/examples/reliability"

.PHONY: fuzz
fuzz: ## Make inputs up for every fuzz target, or TARGET, for SECONDS each (60)
	@scripts/setup fuzz
	@scripts/fuzz $(or $(SECONDS),60) $(TARGET)

.PHONY: clean-demo
clean-demo: ## Remove what make demo and make up have made, and the cluster that make up keeps
	rm -rf .demo
