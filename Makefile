# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. The rest is for working by hand.
SHELL := /bin/bash
.DEFAULT_GOAL := help

TARGET ?= $(CURDIR)/target
PREFIX ?= $(HOME)/.local
BIN := $(TARGET)/release/kubectl-vllm_rollback
CLUSTER_DIR ?= $(TARGET)/cluster
GPUS ?= 8
export CARGO_TARGET_DIR := $(TARGET)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: need
need:
	@tools/need.sh

.PHONY: plugins
plugins: need ## Build the checks as WebAssembly components into target/plugins
	@plugins/build.sh

.PHONY: build
build: plugins ## Build the tool: target/release/kubectl-vllm_rollback
	@tools/say.sh "building the tool (about 8 min the first time, seconds afterwards)"
	@cargo build --release --locked --workspace --bins
	@echo "$(BIN)"

.PHONY: dist
dist: plugins ## Build the tool as it is shipped (thin LTO, slow): target/dist/kubectl-vllm_rollback
	@cargo build --profile dist --locked -p vllm-rollback-cli

.PHONY: install
install: build ## Install the kubectl plugin into PREFIX/bin (default ~/.local)
	@install -d "$(PREFIX)/bin"
	@install -m 0755 "$(BIN)" "$(PREFIX)/bin/kubectl-vllm_rollback"
	@ln -sf kubectl-vllm_rollback "$(PREFIX)/bin/kubectl-vllm"
	@echo "installed $(PREFIX)/bin/kubectl-vllm_rollback; 'kubectl vllm-rollback --help' works once $(PREFIX)/bin is on PATH"

.PHONY: testbed
testbed: need
	@tests/testbed/build.sh all

# The same selection of packages everywhere: another one has other features, and would build the dependencies again.
.PHONY: sim
sim: plugins
	@cargo build --release --locked --workspace --bins

.PHONY: cluster
cluster: testbed sim ## Start a throwaway cluster for hand use; prints the export line
	@tools/cluster.sh up "$(CLUSTER_DIR)" "$(GPUS)"

.PHONY: cluster-down
cluster-down: ## Stop the cluster of `make cluster`
	@tools/cluster.sh down "$(CLUSTER_DIR)"

.PHONY: demo
demo: build ## From a bad release to proven good on a throwaway cluster; DEMO=crash|health|timeout|wrong-model
	@tests/testbed/build.sh testbed helm4
	@$(MAKE) --no-print-directory sim
	@"$(TARGET)/release/demo" "$(or $(DEMO),crash)"

.PHONY: packages
packages:
	@tools/packages.sh

.PHONY: lint
lint: plugins ## rustfmt, clippy, rustdoc, structure, unused dependencies, cargo deny
	@tools/lint.sh

.PHONY: test
test: packages build testbed ## All tests, on a real cluster with real Helm 3 and 4, PostgreSQL and Redis
	@tools/test.sh

.PHONY: bench
bench: packages build testbed sim ## Our run against helm alone and against the runbook's script
	@"$(TARGET)/release/bench"

.PHONY: crash
crash: build testbed sim ## Kill a run at every point, and see it finished or ended from another machine; EVERY=n takes every n-th
	@"$(TARGET)/release/crash" $(or $(EVERY),1)

.PHONY: race
race: build testbed sim ## Two operators at once, 200 times: exactly one proceeds; RACES=n
	@"$(TARGET)/release/race" $(or $(RACES),200)

.PHONY: mutants
mutants: ## Mutate the engine and host/objects in every way cargo-mutants knows, and count how often tests notice; JOBS=n
	@tools/mutants.sh

.PHONY: fuzz
fuzz: ## libFuzzer on all that is read from outside, FUZZ_SECONDS for each target (60); KEEP=n keeps n inputs
	@tools/fuzz.sh

.PHONY: clean
clean: ## Remove everything that was built
	@rm -rf "$(TARGET)" plugins/target
