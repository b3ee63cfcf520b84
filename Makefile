# The commands of this project. `make` alone lists them.

COLLECTOR := bin/otelcol-verifyyou
TOOLS     := -modfile=internal/tools/go.mod
MODULES   := . cmd/verifyyougen e2e internal/schemas

# What a failed command has begun to write is not there.
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Without a secret of your own in the environment, this one is used.
LOCAL_SECRET := local-test-secret

.PHONY: run
run: build bin/verifyyougen ## Build the Collector and start it with examples/local/collector.yaml
	@echo
	@echo "Look at the funnel:     http://localhost:8790"
	@echo "Counters to scrape:     http://localhost:8889/metrics"
	@echo "Webhooks are taken at:  http://localhost:8787/webhooks/verifyyou"
	@echo
	@echo "From another terminal, in this folder, send one event:"
	@echo
	@echo "  $(SECRET)bin/verifyyougen send --stage verification_started"
	@echo
	@echo "or let 1,000 people go through it, 60 times faster than in life, while you look at the page:"
	@echo
	@echo "  $(SECRET)bin/verifyyougen simulate --verifications 1000 --rate 20 --speed 60"
	@echo
	@echo "Ctrl-C ends the Collector."
	@VERIFYYOU_SIGNING_SECRET="$${VERIFYYOU_SIGNING_SECRET:-$(LOCAL_SECRET)}" exec $(COLLECTOR) --config examples/local/collector.yaml

# What a command has to begin with where no secret is in the environment.
SECRET = $(if $(VERIFYYOU_SIGNING_SECRET),,VERIFYYOU_SIGNING_SECRET=$(LOCAL_SECRET) )

.PHONY: test
test: ## Pass the tests of all modules, the components' with the versions in go.mod
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && go test $(RACE) ./...) || exit 1; done

.PHONY: test-newest
test-newest: build/newest.mod ## Pass the tests of both components with the versions in builder-config.yaml
	go test -modfile=$< $(RACE) ./...

build/newest.mod: go.mod builder-config.yaml internal/tools/newest.sh
	@internal/tools/newest.sh

# The race detector needs cgo, and cgo a C compiler, which a fresh machine may lack.
RACE := $(shell command -v "$$(go env CC)" >/dev/null 2>&1 && echo -race)

.PHONY: build
build: $(COLLECTOR) ## Build bin/otelcol-verifyyou, a Collector with the receiver

# Each Collector is built by the builder of its own version.
BUILDER = go run go.opentelemetry.io/collector/cmd/builder@$(shell sed -n 's,.*gomod: go.opentelemetry.io/collector/receiver/otlpreceiver ,,p' $<)

SOURCES := $(shell find . -name '*.go' -not -name '*_test.go' -not -path './bin/*' -not -path './build/*' -not -path './cmd/*' -not -path './e2e/*' -not -path './bench/*' -not -path './dashboards/*')

$(COLLECTOR): builder-config.yaml go.mod $(SOURCES)
	@echo "Building $@. The first build downloads and compiles the Collector, which takes minutes; later ones take seconds."
	@mkdir -p build bin
	$(BUILDER) --config $<
	@mv build/otelcol-verifyyou/otelcol-verifyyou $@ # not cp: the old one may be running
	@echo "Built $@"

.PHONY: sources
sources: build/otelcol-verifyyou/main.go

build/otelcol-verifyyou/main.go: builder-config.yaml go.mod
	@mkdir -p build
	$(BUILDER) --skip-compilation --config $<
	@touch $@

GATEWAY := bin/otelcol-gateway

.PHONY: gateway
gateway: $(GATEWAY) ## Build bin/otelcol-gateway, the Collector for examples/gateway

$(GATEWAY): examples/gateway/builder-config.yaml go.mod $(SOURCES)
	@echo "Building $@. Its modules are older than those of $(COLLECTOR): the first build takes minutes too."
	@mkdir -p build bin
	$(BUILDER) --config $<
	@mv build/otelcol-gateway/otelcol-gateway $@
	@echo "Built $@"

.PHONY: bin/verifyyougen
bin/verifyyougen:
	cd cmd/verifyyougen && go build -o ../../$@ .

.PHONY: generate
generate: ## Make the files that mdatagen generates from metadata.yaml
	@internal/tools/generate.sh

.PHONY: lint
lint: ## Run golangci-lint on all modules (the first time it is built, which takes minutes)
	@mkdir -p bin
	go build $(TOOLS) -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@for m in $(MODULES) internal/browser bench; do echo "== $$m"; (cd $$m && "$(CURDIR)/bin/golangci-lint" run ./...) || exit 1; done

FUZZTIME := 30s

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (30s)
	@FUZZTIME=$(FUZZTIME) internal/tools/fuzz.sh

.PHONY: e2e
e2e: build gateway bin/verifyyougen ## Run the Collectors as processes and post events to them, and look at the page in Chromium
	cd e2e && go test -count=1 -tags e2e $(RACE) ./...
	cd internal/browser && go test -count=1 -tags e2e ./...

MINUTES := 2

.PHONY: soak
soak: build ## Let things fail around the Collector for MINUTES (2), and compare what arrived with what was sent
	cd e2e && go run ./soak -duration $$(($(MINUTES) * 30))s

.PHONY: demo
demo: build bin/verifyyougen ## Let 2,000 people go through the local Collector, and print its funnel beside the truth (DEMO_EXIT=1: do not stay)
	@cd cmd/verifyyougen && go run ./demo

# People are six times as fast as in life, so that the ten minutes in which they begin are an hour of theirs.
RENDER := dashboards/render

.PHONY: render
render: build bin/verifyyougen $(RENDER)/node_modules ## Draw the dashboards of a simulated hour with Grafana's components, into docs (a quarter of an hour; needs Chromium and Node.js)
	@cd e2e && go run ./demo -people 6000 -rate 10 -speed 6 -then "node ../$(RENDER)/render.mjs"

.PHONY: check-schema
check-schema: $(RENDER)/node_modules ## Check the Grafana dashboards against the types of Grafana's foundation SDK
	@cd $(RENDER) && npm run --silent schema

$(RENDER)/node_modules: $(RENDER)/package-lock.json
	cd $(RENDER) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

ROUNDS := 15

.PHONY: bench
bench: bin/bench ## Compare what a webhook costs here with what it costs a bare server and other receivers
	bin/bench -rounds $(ROUNDS)

.PHONY: bench-process
bench-process: build bin/bench ## Measure latency and memory of bin/otelcol-verifyyou under load
	bin/bench -collector $(COLLECTOR)

.PHONY: bench-steps
bench-steps: ## Measure each step of a request and of the funnel, and how cost grows
	go test -run '^$$' -bench . . ./internal/counters ./internal/deliveries ./internal/funnel ./verifyyoufunnelconnector

.PHONY: bench-state
bench-state: ## Measure how long it takes to save and read a million followed verifications
	cd bench && go test -run '^$$' -bench State -benchtime 1x .

.PHONY: bin/bench
bin/bench:
	cd bench && go build -o ../$@ .

# The version of a snapshot is that of the sources; a release has that of its tag, which must be the same.
VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' internal/version/version.go)

RELEASE_TOOLS := bin/goreleaser bin/cyclonedx-gomod

bin/goreleaser: internal/tools/release/go.mod
	go build -modfile=$< -o $@ github.com/goreleaser/goreleaser/v2

bin/cyclonedx-gomod: internal/tools/release/go.mod
	go build -modfile=$< -o $@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

# For fewer platforms: make release-snapshot OSES=linux ARCHS=amd64
OSES := linux, darwin, windows
ARCHS := amd64, arm64

.PHONY: release-snapshot
release-snapshot: $(RELEASE_TOOLS) ## Make the files of a release in dist, but for images and signatures, for the platforms in OSES and ARCHS (all)
	@mkdir -p build
	@sed -e 's/goos: \[.*/goos: [$(OSES)]/' -e 's/goarch: \[.*/goarch: [$(ARCHS)]/' .goreleaser.yaml >build/goreleaser.yaml
	GORELEASER_CURRENT_TAG=v$(VERSION) bin/goreleaser release --config build/goreleaser.yaml --snapshot --clean --skip=docker,sign

.PHONY: release
release: $(RELEASE_TOOLS)
	bin/goreleaser release --clean

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin build dist
