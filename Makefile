# Every target works from a fresh clone by itself.
#
#   make run    build, then watch an agent's day being judged
#   make test   build, then run every test
#   make dist   build what is shipped: optimised as a whole
#   make bench  build that, then measure, into docs/performance.md
#   make serve  build, then serve on 127.0.0.1:8000

MODULES := target/modules/misbehaving
CAVRA := dist/bin/cavra
CARGO_DENY_VERSION := 0.20.2
# All crates that are built for this machine; the misbehaving guests are not, and
# the benchmark, with all that it compares with, only for its own target.
NATIVE := --workspace --exclude test-guests --exclude bench

.PHONY: setup modules build dist run serve test test-dist test-long fuzz-api bench lint fmt clean

# What builds the guests, installed where it is missing.
setup:
	@scripts/toolchain.sh

# The two evaluators and the misbehaving guests, for wasm32-wasip2.
modules:
	@scripts/modules.sh

# dist/: the binary, both modules, the packs. The binary alone is enough.
build: modules
	cargo build --locked --release $(NATIVE)
	@scripts/dist.sh release

# The same with the binary as it is shipped. It takes ten minutes longer to build, so
# everything else does without.
dist: modules
	cargo build --locked --profile dist -p cavra
	@scripts/dist.sh dist

run: build
	@$(CAVRA) tour --misbehaving $(MODULES)

# The HTTP service, until it is told to stop (ADDR=…).
serve: build
	@$(CAVRA) serve --addr $(or $(ADDR),127.0.0.1:8000) \
		--mode enforce --runtime-path builtin:fastpath --policy-path auto

# What the tests ask for beside the toolchain, installed where it is missing.
TOOLS := valgrind postgres registry signing-tools python-module

test: build
	@for tool in $(TOOLS); do scripts/$$tool.sh || exit 1; done
	cargo test --locked --release $(NATIVE)

# The integration tests with the binary that is shipped; instructions are counted of the
# other one.
test-dist: dist
	@for tool in $(TOOLS); do scripts/$$tool.sh || exit 1; done
	cargo test --locked --release $(NATIVE) --test integration -- --skip instructions::

# The property tests at length: millions of generated cases (CASES=…); and a service that
# is killed, whose disk is filled, and whose database is stopped, again and again while it
# answers (ANSWERS=…, KILLS=…).
test-long: build
	CAVRA_PROPERTY_CASES=$(or $(CASES),2000000) cargo test --locked --release $(NATIVE) --test integration -- --nocapture parity::
	CAVRA_EVIDENCE_ANSWERS=$(or $(ANSWERS),100000) CAVRA_EVIDENCE_KILLS=$(or $(KILLS),20) \
		cargo test --locked --release $(NATIVE) --test integration -- --nocapture --test-threads 1 \
		whenever_the_service_is_killed however_often

# The service against its OpenAPI document: thousands of generated requests (REQUESTS=…).
fuzz-api: build
	@scripts/schemathesis.sh $(or $(REQUESTS),5000)

# What decisions cost beside what they are compared with, in one run.
bench: dist
	cargo build --locked --profile dist -p bench
	cargo run --locked --profile dist -p bench -- --out docs/performance.md

lint: modules
	cargo fmt --all --check
	cargo clippy --locked --release --workspace --exclude test-guests --all-targets -- -D warnings
	@scripts/lint-guests.sh
	@scripts/deny.sh $(CARGO_DENY_VERSION)

fmt:
	cargo fmt --all

clean:
	cargo clean
	rm -rf dist
