# Tollgate's commands. They need Rust, make and apt; what else they need, they install.

CARGO ?= cargo
# What `make audit` checks, say `make audit AUDIT="bans licenses sources"` where the advisory
# database can't be fetched.
AUDIT ?=
# The fuzz targets of `make fuzz`, and how many seconds each runs.
FUZZ ?= host wire forwarded facade proxy_header yaml
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test lint schema audit bench bench-compare bench-fairness bench-syscalls bench-reload bench-idle bench-resilience bench-abuse bench-scale bench-slow fuzz

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

demo: ## Build in release mode and run the demo on port 8080
	@tests/ops/install-packages build
	$(CARGO) build --release --locked
	target/release/tollgate demo

test: ## Install what the tests need, then check everything
	@tests/ops/test-all

lint: ## Check the formatting and run clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

schema: ## Write the configuration's JSON Schema into config/
	$(CARGO) run --locked --quiet -- schema > config/tollgate.schema.json.new
	mv config/tollgate.schema.json.new config/tollgate.schema.json

audit: ## Check dependencies: advisories, licences, bans, sources
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check $(AUDIT)

bench: ## Time the pure parts with criterion
	$(CARGO) bench --locked

bench-compare: ## Measure beside nginx, HAProxy and others, and write the table
	$(CARGO) build --release --locked
	benches/compare/install
	benches/compare/run --write

bench-fairness: ## Measure what a noisy neighbour does to others, and write docs/fairness.md
	$(CARGO) build --release --locked
	benches/compare/install
	benches/noisy_neighbour/run --write

bench-syscalls: ## Count the system calls of a request
	$(CARGO) build --release --locked
	benches/compare/install
	benches/syscalls.sh

bench-reload: ## Reload every second for a minute at full load: nothing may be lost
	$(CARGO) build --release --locked
	benches/compare/install
	benches/compare/reload_under_load.py --seconds 60

bench-idle: ## Measure what an idle connection costs in memory
	$(CARGO) build --release --locked
	benches/idle_connections.py

bench-resilience: ## Kill, restart and stall endpoints under load: nobody may notice
	$(CARGO) build --release --locked
	benches/resilience/run

bench-abuse: ## Attack the gateway in every way there is a case for, and write docs/security.md
	$(CARGO) build --release --locked
	benches/compare/install
	benches/abuse/run --write

bench-slow: ## Attack with 4,000 slow clients: nobody else may notice
	$(CARGO) build --release --locked
	benches/slow_clients.py

bench-scale: ## Measure a million tenants, and peers with many, and write benches/scale/README.md
	$(CARGO) build --release --locked
	benches/compare/install
	benches/scale/run --write

# RUSTC_BOOTSTRAP lets the stable compiler take the sanitizer's flags, so that fuzzing needs no
# second toolchain.
fuzz: ## Run every fuzz target for FUZZ_SECONDS each
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@set -e; for target in $(FUZZ); do \
		echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096; \
	done
