# What one does with Headwater from a clone. `make` alone lists it.

GO ?= go
BIN := bin

# Modules of their own beside the main one: their tests are not in ./... of it.
NESTED := $(patsubst %/go.mod,%,$(wildcard core/store/mongo/wiretest/go.mod plugins/go.mod))

# A release says which one it is: make build VERSION=v1.2.3.
VERSION ?=
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

# A fuzz target gets this long each in `make fuzz`.
FUZZTIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: server connectors ## bin/headwater and bin/connectors/*

.PHONY: server
server:
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/headwater ./cmd/headwater

.PHONY: connectors
connectors:
	@if [ -d connectors ]; then \
		mkdir -p $(BIN)/connectors; \
		for dir in $$($(GO) list -f '{{if eq .Name "main"}}{{.Dir}}{{end}}' ./connectors/...); do \
			echo "$(GO) build -o $(BIN)/connectors/ $${dir#$(CURDIR)/}"; \
			CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/connectors/ "$$dir" || exit 1; \
		done; \
	fi

.PHONY: run
run: build ## build, then the whole product with a demo shop on http://127.0.0.1:8080
	$(BIN)/headwater demo

.PHONY: test
test: ## the whole test suite
	$(GO) test -timeout 30m ./...
	@set -e; for dir in $(NESTED); do \
		echo "cd $$dir && $(GO) test ./..."; \
		(cd $$dir && $(GO) test -timeout 15m ./...); \
	done

# Where every test runs something beside it. Of the other packages those tests are raced that bring several together.
RACED := ./core/work/... ./core/staging/... ./core/keyring/... ./core/store/faultstore/...

.PHONY: test-race
test-race: ## what happens at once, short, under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m $(RACED)
	@$(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./core/... ./policies ./graph | while read -r dir; do \
		tests=$$(.ci/raced "$$dir"); [ -z "$$tests" ] || echo "^($$tests)$$ $$dir"; \
	done | CGO_ENABLED=1 xargs -P 2 -L 1 sh -c '$(GO) test -race -short -timeout 15m -run "$$0" "$$1"'

.PHONY: wiretest
wiretest: ## the MongoDB engine against FerretDB and a scripted server
	cd core/store/mongo/wiretest && $(GO) test -timeout 15m ./...

.PHONY: e2e
e2e: ## the built binary against real Node clients
	$(GO) test -count=1 -v ./e2e

.PHONY: fuzz
fuzz: ## every fuzz target, FUZZTIME (30s) each
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' core graph cmd 2>/dev/null | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$(dirname "$$file") $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; \
		done; \
	done

.PHONY: bench
bench: ## the benchmarks, one JSON object a line
	@$(MAKE) -s server
	@$(BIN)/headwater bench

.PHONY: generate
generate: ## regenerate code; CI fails when this changes anything
	$(GO) generate ./...
	@set -e; for dir in $(NESTED); do echo "cd $$dir && $(GO) generate ./..."; (cd $$dir && $(GO) generate ./...); done

.PHONY: lint
lint: $(BIN)/golangci-lint ## vet, style and the floors of the house
	$(BIN)/golangci-lint run ./...
	@set -e; for dir in $(NESTED); do \
		echo "cd $$dir && golangci-lint run ./..."; \
		(cd $$dir && $(CURDIR)/$(BIN)/golangci-lint run -c $(CURDIR)/.golangci.yml ./...); \
	done

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && $(GO) build -o ../$(BIN)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: tidy
tidy: ## go mod tidy in every module
	@set -e; for dir in . tools tools/protogen $(NESTED); do echo "cd $$dir && $(GO) mod tidy"; (cd $$dir && $(GO) mod tidy); done

.PHONY: clean
clean: ## remove what make built
	rm -rf $(BIN)
