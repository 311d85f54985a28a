# Thin: each line can be called by hand.

BIN := $(or $(CARGO_TARGET_DIR),target)/debug/meridian
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: demo test lint bench data data-check tools

demo: tools             ## the whole house on this machine, with a tour; Ctrl-C ends it
	cargo build --locked --bin meridian
	@exec $(BIN) demo $(ARGS)

test: tools             ## every test
	scripts/test

lint: tools             ## formatting and lints, nothing left over
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

bench: tools            ## the README's figures; the last line is JSON
	cargo bench --locked --bench house

data:                   ## rebuilds data/ from the named packages
	python3 data/build.py

data-check:             ## proves that data/ is what the packages give, to the byte
	python3 data/build.py --check

tools:                  ## installs what is missing
	@scripts/install-tools
