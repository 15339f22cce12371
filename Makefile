# Tollgate's commands. They need Rust, make and apt; what else they need, they install.

CARGO ?= cargo
# What `make audit` checks, say `make audit AUDIT="bans licenses sources"` where the advisory
# database can't be fetched.
AUDIT ?=
# The fuzz targets of `make fuzz`, and how many seconds each runs.
FUZZ ?= host wire response forwarded facade proxy_header yaml
FUZZ_SECONDS ?= 60

# What a gateway does often, for the compiler: see benches/README.md. Any other profile, or none (PROFILE=), will do.
PROFILE ?= benches/pgo/tollgate.profdata
RELEASE = $(if $(PROFILE),benches/pgo/made-for --check && )RUSTFLAGS="$(RUSTFLAGS) $(if $(PROFILE),-Cprofile-use=$(abspath $(PROFILE)) -Cllvm-args=-no-pgo-warn-mismatch)" $(CARGO) build --release --locked

.DEFAULT_GOAL := help
.PHONY: help demo release profile test lint schema audit bench bench-compare bench-fairness bench-syscalls bench-reload bench-cores bench-idle bench-resilience bench-abuse bench-scale bench-slow fuzz

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

demo: ## Build in release mode and run the demo on port 8080
	@tests/ops/install-packages build
	$(RELEASE)
	target/release/tollgate demo

release: ## Build target/release/tollgate, the compiler knowing what is done often
	$(RELEASE)

profile: ## Have a gateway work, and write down what it does often (needs llvm-profdata)
	benches/compare/install
	LLVM_PROFILE_FILE=/dev/null RUSTFLAGS="-Cprofile-generate" $(CARGO) build --release --locked --target-dir target/profile
	benches/pgo/train target/profile/release/tollgate

test: ## Install what the tests need, then check everything
	@tests/ops/test-all

lint: ## Check the formatting and run clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

schema: ## Write the configuration's JSON Schema into config/
	$(CARGO) run --locked --quiet -- schema > config/tollgate.schema.json.new
	mv config/tollgate.schema.json.new config/tollgate.schema.json

audit: ## Check dependencies: advisories, licences, bans, sources
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check $(AUDIT)

bench: ## Time the pure parts with criterion
	$(CARGO) bench --locked

bench-compare: ## Measure beside nginx, HAProxy and others, and write the table
	$(RELEASE)
	benches/compare/install
	benches/compare/run --write

bench-fairness: ## Measure what a noisy neighbour does to others, and write docs/fairness.md
	$(RELEASE)
	benches/compare/install
	benches/noisy_neighbour/run --write

bench-syscalls: ## Count the system calls of a request
	$(RELEASE)
	benches/compare/install
	benches/syscalls.sh

bench-reload: ## Reload every second for a minute at full load: nothing may be lost
	$(RELEASE)
	benches/compare/install
	benches/compare/reload_under_load.py --seconds 60

bench-cores: ## Measure what a second worker costs, whether both have as much to do, and who wakes whom
	$(RELEASE)
	benches/compare/install
	benches/compare/cores.py
	benches/compare/cores.py --scenario tenants
	benches/compare/cores.py --scenario tenants --wakes

bench-idle: ## Measure what an idle connection costs in memory
	$(RELEASE)
	benches/idle_connections.py

bench-resilience: ## Kill, restart and stall endpoints under load: nobody may notice
	$(RELEASE)
	benches/resilience/run

bench-abuse: ## Attack the gateway in every way there is a case for, and write docs/security.md
	$(RELEASE)
	benches/compare/install
	benches/abuse/run --write

bench-slow: ## Attack with 4,000 slow clients: nobody else may notice
	$(RELEASE)
	benches/slow_clients.py

bench-scale: ## Measure a million tenants, and peers with many, and write benches/scale/README.md
	$(RELEASE)
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
