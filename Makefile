# `make demo` and `make test` are all that a newcomer needs; both install what they need on a Debian machine.

ARGS ?=
FILTER ?=
CARGO ?= cargo

.PHONY: demo build test torture check format clean

demo: build
	./target/debug/previewbot demo $(ARGS)

build:
	./scripts/setup.sh build
	$(CARGO) build --bin previewbot

test:
	./scripts/setup.sh build test
	$(CARGO) test --all-targets -- $(FILTER)

# The long experiments: minutes to hours. `make test` runs a small fixed sample of each.
torture:
	./scripts/setup.sh build test
	PREVIEWBOT_TORTURE=1 $(CARGO) test --test it -- --nocapture torture faults

check:
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --all-targets -- -D warnings

format:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean
