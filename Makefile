# Thin: each line can be called by hand.

BIN := $(or $(CARGO_TARGET_DIR),target)/debug/meridian
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: demo test test-web lint region-life chaos canary simulate bench bench-orders bench-audit bench-dns equality-dns conformance-dns fuzz-dns terraform-test data data-check tools

demo: tools             ## the whole house on this machine, with a tour; Ctrl-C ends it
	cargo build --locked --bin meridian
	@exec $(BIN) demo $(ARGS)

test: tools             ## every test
	scripts/test

test-web: tools         ## the page in a real browser; needs Node, installs Debian's chromium
	cargo build --locked --bin meridian
	@command -v chromium >/dev/null || apt-get install -y -q --no-install-recommends chromium
	npm --prefix tests/web ci --silent
	MERIDIAN=$(abspath $(BIN)) node --test tests/web/stories.mjs

lint: tools             ## formatting and lints, nothing left over
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

region-life: tools      ## a region's whole life under load; ARGS=--short for two minutes of it
	cargo test --locked --test life -- $(ARGS)

chaos: tools            ## kills, crashes and lost COMMITs while people book; ARGS=--short for minutes
	cargo test --locked --test chaos -- $(ARGS)

canary: tools           ## markers in every personal field, and a search of all that was written
	cargo test --locked --test canary

simulate: tools         ## the saga under every fault, seed by seed; SEED=7 RUNS=1 for one of them
	cargo test --locked --test simulate -- --seed $(or $(SEED),1) --runs $(or $(RUNS),100000)

bench: tools            ## the README's figures; the last line is JSON
	cargo bench --locked --bench house

bench-orders: tools     ## accepted orders beside pgbench, closed and open loop; the last line is JSON
	cargo bench --locked --bench orders

bench-audit: tools      ## the audit of a million rows, the verifier; ARGS="--rows 100000"
	cargo bench --locked --bench audit -- $(ARGS)

bench-dns: tools        ## the name server beside its peers; the last line is JSON
	cargo bench --locked -p meridian-geo-routing --bench dns -- $(ARGS)

equality-dns: tools     ## the same answers as gdnsd and Knot, to the last one
	cargo bench --locked -p meridian-geo-routing --bench dns -- --equality

conformance-dns: tools  ## the name server against other people's tools, offline
	cargo build --locked -p meridian-geo-routing --bin geo-routing
	scripts/install-dns-tools
	geo-routing/tests/conformance/run $(dir $(BIN))geo-routing $(ARGS)

fuzz-dns: tools         ## chance thrown at the name server, a minute of it; the last line is JSON
	scripts/fuzz-dns $(ARGS)

terraform-test: tools   ## Terraform, offline: modules, rules, blast radius, one truth for DNS
	terraform/tests/run $(ARGS)

data:                   ## rebuilds data/ from the named packages
	python3 data/build.py

data-check:             ## proves that data/ is what the packages give, to the byte
	python3 data/build.py --check

tools:                  ## installs what is missing
	@scripts/install-tools
