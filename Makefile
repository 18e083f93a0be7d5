# Everything that is done to latchkey. `make` lists it.

GO       ?= go
FUZZTIME ?= 10s
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)

# MODULES are where there is Go: this module, and that of the vendors' clients,
# on which it does not depend.
MODULES := . e2e

.DEFAULT_GOAL := help

.PHONY: help
help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## start a server on 127.0.0.1:8080, its data in ./latchkey-data
	$(GO) run ./cmd/latchkey serve

.PHONY: build
build: ## build the program as ./latchkey
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X latchkey/internal/server.version=$(VERSION)' -o latchkey ./cmd/latchkey

.PHONY: test
test: engines ## run all tests; says at the end what could not be run
	@list=$$(mktemp); status=0; \
	for module in $(MODULES); do \
	    (cd $$module && TEST_LEFT_OUT=$$list $(GO) test $(TESTFLAGS) ./...) || status=$$?; \
	done; \
	if [ -s $$list ]; then sort -u $$list; else echo 'left out: nothing'; fi; \
	rm -f $$list; exit $$status

.PHONY: engines
engines: # install what tests need, where that is possible
	@need=; \
	[ -n "$$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || need="$$need postgresql"; \
	command -v curl >/dev/null || need="$$need curl"; \
	[ "$$(uname)" != Linux ] || command -v strace >/dev/null || need="$$need strace"; \
	{ command -v node && command -v npm; } >/dev/null || need="$$need nodejs npm"; \
	if [ -n "$$need" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing for the tests:$$need"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$need; } || \
	    echo "could not be installed:$$need"; \
	fi

.PHONY: check
check: ## format, vet, staticcheck, and all tests with the race detector
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	@for module in $(MODULES); do \
	    (cd $$module && $(GO) vet ./... && $(GO) tool -modfile=$(CURDIR)/tools/go.mod staticcheck ./...) || exit 1; \
	done
	@if command -v $$($(GO) env CC) >/dev/null; then $(MAKE) test TESTFLAGS="-race -timeout=30m"; \
	else $(MAKE) test; echo 'left out: the race detector (it needs a C compiler)'; fi

.PHONY: bench
bench: ## measure verification against a bare handler, and write bench/RESULTS.md; ARGS="--json --quick" does not
	@$(GO) run ./bench -results bench/RESULTS.md $(ARGS)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s)
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
	    for target in $$(cat $$dir/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p'); do \
	        (cd $$dir && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
	    done; \
	done

.PHONY: generate
generate: ## write anew what tests compare: docs/configuration.md, docs/cli.md, openapi.yaml
	$(GO) test ./internal/server ./internal/dialect/native ./cmd/latchkey -run '^Test(Reference|OpenAPI)$$' -update
