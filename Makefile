# Every target does its own set-up. `make` alone lists them.

GO       ?= go
TOOL     := $(GO) tool -modfile=tools/go.mod
N        ?= 50000
SEED     ?= 1
FUZZTIME ?= 20s
# The longest first, so that none of them is left alone at the end.
LONGEST  := $(addprefix github.com/crossfadedb/crossfade/internal/,operate apply dynamodb kafka embedded/dynamodb/conformance lab/scale capture lab/bench)
PACKAGES := $(LONGEST) $(filter-out $(LONGEST),$(shell $(GO) list ./... 2>/dev/null | grep -vE '/internal/lab/(e2e|model|sim)$$'))

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the three binaries, into bin/
	$(GO) build -buildvcs=auto -o bin/ ./cmd/...

demo: ## migrate a table under a live application, on embedded parts
	$(GO) run ./cmd/crossfade demo

unit: ## tests that need nothing but Go
	$(GO) test ./...

# The parts of `make test`. TESTFLAGS is for all of them: make test-model TESTFLAGS=-v
PARTS := packages model sim race replay e2e

test: setup ## all tests, on real services too; brings what it needs; some minutes
	@MAKE="$(MAKE)" scripts/parts $(PARTS:%=test-%)

test-packages: # each package, with the race detector; many at a time, for they wait more than they compute
	CROSSFADE_SERVICES=1 $(GO) test $(TESTFLAGS) -race -shuffle=on -p 3 -parallel 6 -timeout 30m $(PACKAGES)

test-model: # every interleaving within small scopes; each guard taken away
	$(GO) test $(TESTFLAGS) -timeout 20m ./internal/lab/model
	$(GO) test $(TESTFLAGS) -timeout 20m -run 'Interleaving|Guard' ./internal/apply

test-sim: # simulated migrations, and every step interrupted
	$(GO) test $(TESTFLAGS) -timeout 20m ./internal/lab/sim -seeds=60

test-race: # some of them with the race detector
	$(GO) test $(TESTFLAGS) -race -timeout 20m -run 'Seeds|AllSteps' ./internal/lab/sim -seeds=4

test-replay: # one of them again, byte for byte
	CROSSFADE_REPLAY=1 $(GO) test $(TESTFLAGS) -timeout 20m ./internal/lab/sim/replay

test-e2e: # whole migrations on real services; 30 s of torture
	CROSSFADE_SERVICES=1 $(GO) test $(TESTFLAGS) -shuffle=on -timeout 40m -parallel 4 -v ./internal/lab/e2e

proof: setup ## what `make test` searches, for an hour and a half; says what it covered. Before a change of the order is called done
	$(GO) run ./internal/lab/proof $(PROOFFLAGS)

RUNS ?= 20
LOAD ?= 0
tally: setup ## the parts of `make test` RUNS times, beside LOAD busy loops: which tests fail by luck (ONLY="packages e2e" PACKAGES="./internal/kafka")
	$(GO) run ./internal/lab/tally --runs=$(RUNS) --load=$(LOAD) $(TALLYFLAGS) $(or $(ONLY),$(PARTS))

setup: services-fetch python kcat

services-fetch: ## bring Apache Kafka and DynamoDB Local into .services
	@scripts/services fetch

services: ## start Apache Kafka and DynamoDB Local (KAFKA_PORT, DYNAMODB_PORT; free ports else)
	@scripts/services up

services-down: ## end exactly those
	@scripts/services down

python: .services/python.fetched
.services/python.fetched:
	@mkdir -p .services
	python3 -m pip install --quiet --disable-pip-version-check --target .services/python confluent-kafka==2.16.1
	@touch $@

kcat:
	@command -v kcat >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y kcat >/dev/null; } || \
		{ echo "kcat is missing: install the package kcat" >&2; exit 3; }

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
cross: ## compile the commands for every platform that is meant; nothing is linked or kept
	@for p in $(PLATFORMS); do CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/... || { echo "not for $$p" >&2; exit 1; }; done

release: ## the archives of a version, with checksums, into dist/ (VERSION=v1.2.3; RELEASEFLAGS=--trial without a tag)
	CROSSFADE_RELEASE=1 $(GO) test -count=1 ./internal/build/release
	$(GO) run ./internal/build/release --version=$(VERSION) $(RELEASEFLAGS) $(PLATFORMS)

check: cross ## formatting, vet, modernizers, linters, modules, every platform, known vulnerabilities
	@test -z "$$($(TOOL) gofumpt -l cmd internal | tee /dev/stderr)"
	$(GO) vet ./...
	@test -z "$$($(GO) fix -diff ./... | tee /dev/stderr)"
	$(TOOL) golangci-lint run
	$(GO) mod tidy -diff
	@$(TOOL) govulncheck ./... || { echo "govulncheck: skipped if the vulnerability database is not reachable; see above"; \
		$(TOOL) govulncheck ./... 2>&1 | grep -qE 'no such host|connection refused|dial tcp|403|timeout|fetching vulnerabilities'; }

fuzz: ## each fuzz target for 20 s (FUZZTIME)
	@scripts/fuzz $(FUZZTIME)

differential: services-fetch ## the embedded DynamoDB against DynamoDB Local, N generated requests (SEED=1)
	CROSSFADE_SERVICES=1 CROSSFADE_DIFFERENTIAL=$(N) CROSSFADE_SEED=$(SEED) $(GO) test -count=1 -timeout 60m -run 'TestDifferential|TestKnownDifferences' \
		-v ./internal/embedded/dynamodb/conformance

model: ## every interleaving within larger scopes; some minutes and gigabytes
	CROSSFADE_DEEP=1 $(GO) test -timeout 60m -v -run 'Interleaving|Guard|Search' ./internal/lab/model ./internal/apply

SEEDS ?= 2000
sim: ## simulated migrations, one a seed (SEEDS=2000), and every step interrupted
	$(GO) test -timeout 60m ./internal/lab/sim -seeds=$(SEEDS)

replay: ## a simulated migration exactly as it was, with its story (SEED=1 REPLAYFLAGS="--schedule=1 --requests", --help)
	$(GO) run ./internal/lab/sim/replay --seed=$(SEED) $(REPLAYFLAGS)

TORTURE ?= 10m
torture: setup ## real processes on real services, killed, frozen and cut off for 10 minutes (TORTURE=10m SEED=n)
	CROSSFADE_SERVICES=1 CROSSFADE_TORTURE=$(TORTURE) CROSSFADE_SEED=$(SEED) $(GO) test -count=1 -timeout 60m -run TestTorture -v ./internal/lab/e2e

scale: ## the apply workers against DynamoDB's quotas, in fake time: the figures of docs/SCALE.md; some minutes
	CROSSFADE_SCALE=1 $(GO) test -count=1 -timeout 60m -run TestFigures -v ./internal/lab/scale

mutants: ## damage the program in many places, and require that simulated migrations notice; some minutes
	$(GO) run ./internal/lab/sim/mutants

bench: ## pairs with bare loops of the SDK and of kafka-go; ratios (BENCHFLAGS="--format=markdown --pair=capture")
	$(GO) run ./internal/lab/bench pairs $(BENCHFLAGS)

ITEMS   ?= 2000000
BACKLOG ?= 10000000
large: build ## memory of the workers: tables of up to ITEMS rows, backlogs of up to BACKLOG; samples and plots into docs/memory
	@for n in 250000 500000 1000000 $(ITEMS); do $(GO) run ./internal/lab/large migrate --items $$n || exit 1; done
	@for n in 1000000 $(BACKLOG); do $(GO) run ./internal/lab/large backlog --items $$n || exit 1; done
	cd tools/plot && $(GO) run . ../../docs/memory

bench-more: ## several workers, latency by stage, a hot key
	$(GO) run ./internal/lab/bench scale
	$(GO) run ./internal/lab/bench latency
	$(GO) run ./internal/lab/bench hot-key

bench-local: services-fetch ## a snapshot end to end on DynamoDB Local, against a bare loop without Kafka
	CROSSFADE_SERVICES=1 CROSSFADE_BENCH=1 $(GO) test -count=1 -timeout 20m -run TestLocal -v ./internal/lab/bench

bench-compare: ## BASE=rev: the workers of two revisions, with benchstat (COUNT=10)
	@GO="$(GO)" COUNT="$(COUNT)" BENCHFLAGS="$(BENCHFLAGS)" scripts/bench-compare "$(BASE)"

bench-flames: ## the flame graphs of docs/PERFORMANCE.md
	$(GO) run ./internal/lab/bench pairs --ours --rounds=1 --rows=400000 --flames=docs/flames

.PHONY: help build demo unit test $(PARTS:%=test-%) proof tally setup services-fetch services services-down python kcat check cross fuzz differential bench bench-more bench-local \
	bench-compare bench-flames model sim scale replay mutants torture large
.DEFAULT_GOAL := help
