# thumbmill: `make run` shows thumbnails, `make test` runs every test.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Known vulnerabilities. Its database is asked for only where the network has it.
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Packages that building and running need, and the real servers that tests run against.
BUILD_PACKAGES := deploy/packages/build
# The renderer's programs, and the fonts that Wikimedia's renderers have.
TOOL_PACKAGES  := deploy/packages/tools deploy/packages/fonts
TEST_PACKAGES  := deploy/packages/tests deploy/packages/originals deploy/packages/wiki deploy/packages/faces

# Tests that need the whole machine. They run apart, without the race detector.
HEAVY := TestASwift|TestIdleAndSlow|TestRapidReset|TestOriginalsComeFromEverywhere|TestThumbnailsInS3|TestBadOriginalsStarveNobody|TestHostileOriginals

# Packages whose tests wait longest and therefore start first, and packages that run apart.
LONG  := loadtest/suites/cluster loadtest/suites/faults
APART := loadtest/suites/flood loadtest/suites/hits loadtest/suites/capacity loadtest/suites/peers

# `make test` runs go vet beforehand. A test binary without DWARF links in half the time. Compilers
# have a lower priority than the tests beside them, because those tests have real heartbeats and
# deadlines.
TESTS := go test -vet=off -ldflags=-w -toolexec 'nice -n 10'

# Packages that draw pictures, simulate, or test a page; the race detector makes them slow. The
# system tests run the same workers under the detector; the simulator has one goroutine.
DRAWING := loadtest/suites/thumbor loadtest/suites/page loadtest/tool/simulator loadtest/tool/plan loadtest/suites/conformance loadtest/suites/corpora renderer/internal/worker renderer/internal/engine renderer/internal/filter renderer/internal/vips renderer/internal/tools renderer/internal/xcf loadtest/fixtures/corpora

# Packages whose tests run other programs. The race detector cannot see into those programs.
RUNNING := deploy/compose loadtest/suites/fleet loadtest/suites/sites loadtest/suites/loaders loadtest/suites/mediawiki loadtest/suites/docker loadtest/suites/kubernetes loadtest/suites/packages loadtest/suites/docs loadtest/suites/reference loadtest/suites/commands loadtest/suites/front deploy/kubernetes

# Packages that start no goroutine, in their code or their tests, and therefore have no races.
# architecture_test.go checks this.
SEQUENTIAL := deploy/conversion deploy/fromenv deploy/fromthumbor edge/internal/filters edge/internal/imgproxy edge/internal/mediawiki edge/internal/signature edge/internal/syntax edge/internal/thumbor edge/thumborurl loadtest/tool/queueing loadtest/tool/ssim loadtest/tool/workload renderer/internal/animation renderer/internal/bmp renderer/internal/colour renderer/internal/complaint renderer/internal/component renderer/internal/geometry renderer/internal/guard renderer/internal/lettering renderer/internal/metadata renderer/internal/placeholder renderer/internal/psd renderer/internal/solid renderer/internal/svg renderer/internal/tga shared/bucket shared/commandline shared/cost shared/deadline shared/lanes shared/renderjob shared/settings shared/settings/reference shared/throttle shared/thumbnail

# Packages with C and C++ code.
SANITIZED := loadtest/suites/faces renderer/internal/jpeg renderer/internal/lettering renderer/internal/librsvg renderer/internal/vips

# Packages whose tests start workers for all formats and programs.
TRACED := renderer/internal/worker renderer/internal/engine loadtest/suites/conformance loadtest/suites/corpora

# Packages that also have tests with `//go:build !race`. They run twice.
TWICE := coordinator coordinator/internal/pools coordinator/internal/classic renderer/internal/pipeline

MODULE := github.com/thumbmill/thumbmill

.PHONY: help run build test lint-prose test-race test-plain test-debian12 test-debian13 lint fuzz bench-coordinator bench-worker bench-batch bench-planes bench-bucket bench-hop bench-hits bench-fleet flood bench-gallery bench-peers profile validate-capacity faults corpora packages test-mediawiki test-packages test-compose test-docker test-kubernetes test-sanitize trace-calls test-clouds test-loaders soak soak-tests docs docs-serve deps tools build-deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build tools ## install missing packages, build, start the whole cluster, print URLs to click
	bin/thumbmill serve --samples --originals data/originals --thumbnails data/thumbnails

test: deps ## install missing packages, run every test in its short form
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	go vet ./...
	go -C .vale test ./...
	go -C .vale run ./prose .
	$(MAKE) --no-print-directory test-race
	$(MAKE) --no-print-directory test-plain
	$(TESTS) -timeout 8m -run '$(HEAVY)' ./loadtest/suites/cluster
	$(TESTS) -timeout 4m ./loadtest/suites/flood

# System tests mostly wait, so five tests of a package run at once. The two halves run in turn: side
# by side, they leave two cores too little time for a heartbeat a second, and edges and coordinators
# take each other for dead.
test-race:
	$(TESTS) -race -p 3 -parallel 5 -timeout 14m -skip '$(HEAVY)' $(addprefix ./,$(LONG)) $$(go list ./... | grep -vxF -e $(MODULE) $(addprefix -e $(MODULE)/,$(LONG) $(DRAWING) $(RUNNING) $(SEQUENTIAL) $(APART)))

test-plain:
	$(TESTS) -p 2 -timeout 14m $(addprefix ./,$(RUNNING) $(DRAWING) $(TWICE)) . $(addprefix ./,$(SEQUENTIAL))

test-debian12 test-debian13: build-deps ## run the renderer's tests in a Debian 12 or 13 below /var/tmp, which the first run makes
	@deploy/install-packages deploy/packages/roots
	deploy/test-debian $(subst test-,/var/tmp/thumbmill-,$@) $(if $(findstring 13,$@),trixie,bookworm)

# The tag grpcnotrace leaves out a package with templates. Templates make the linker keep every exported method: an edge
# has 31 MB with them and 22 MB without.
build: build-deps ## build bin/thumbmill and the three roles; TAGS=clouds adds the stores of Google Cloud and Azure
	go build -tags "grpcnotrace $(TAGS)" -o bin/ . ./edge/cmd/edge ./coordinator/cmd/coordinator ./renderer/cmd/renderer
	renderer/faces/build bin

lint: build-deps bin/helm ## run golangci-lint (.golangci.yml), helm, govulncheck if its database can be had, and vale over every page, comment and text
	go run $(GOLANGCI) run
	go test ./deploy/kubernetes
	@if curl -fsS -m 5 -o /dev/null https://vuln.go.dev/index/db.json 2>/dev/null; then go run $(GOVULNCHECK) ./...; fi
	go -C .vale test ./...
	go -C .vale run ./prose .

lint-prose: build-deps ## run vale with the rules in .vale/thumbmill over FOLDER, or over everything; FLAGS=--count counts
	go -C .vale run ./prose $(FLAGS) $(FOLDER)

fuzz: build-deps ## run each fuzz test for half a minute
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./edge/internal/mediawiki
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./edge/internal/thumbor
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./edge/internal/imgproxy
	go test -run '^$$' -fuzz FuzzApply -fuzztime 30s ./edge/internal/filters
	go test -run '^$$' -fuzz FuzzPlainHeads -fuzztime 30s ./edge/internal/front
	go test -run '^$$' -fuzz FuzzConvert -fuzztime 30s ./deploy/fromthumbor
	go test -run '^$$' -fuzz FuzzConvert -fuzztime 30s ./deploy/fromenv
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./shared/poolcounter
	go test -run '^$$' -fuzz FuzzConversation -fuzztime 30s ./coordinator/internal/classic
	go test -run '^$$' -fuzz FuzzFrames -fuzztime 30s ./shared/lease
	go test -run '^$$' -fuzz FuzzNative -fuzztime 30s ./coordinator
	go test -run '^$$' -fuzz FuzzInspect -fuzztime 30s ./renderer/internal/guard
	go test -run '^$$' -fuzz FuzzMarkTransparent -fuzztime 30s ./renderer/internal/vips
	go test -run '^$$' -fuzz FuzzUnpack -fuzztime 30s ./renderer/internal/vips
	go test -run '^$$' -fuzz FuzzDecode -fuzztime 30s ./renderer/internal/jpeg
	go test -run '^$$' -fuzz FuzzMetadata -fuzztime 30s ./renderer/internal/metadata
	go test -run '^$$' -fuzz FuzzProfile -fuzztime 30s ./renderer/internal/colour
	go test -run '^$$' -fuzz FuzzDraw -fuzztime 30s ./renderer/internal/solid
	go test -run '^$$' -fuzz FuzzLast -fuzztime 30s ./renderer/internal/complaint
	go test -run '^$$' -fuzz FuzzDraw -fuzztime 30s ./renderer/internal/xcf
	go test -run '^$$' -fuzz FuzzMend -fuzztime 30s ./renderer/internal/svg
	go test -run '^$$' -fuzz FuzzOpen -fuzztime 30s ./renderer/internal/bmp
	go test -run '^$$' -fuzz FuzzOpen -fuzztime 30s ./renderer/internal/tga
	go test -run '^$$' -fuzz FuzzOpen -fuzztime 30s ./renderer/internal/psd
	go test -run '^$$' -fuzz FuzzUnmarshal -fuzztime 30s ./renderer/internal/animation
	go test -run '^$$' -fuzz FuzzDecode -fuzztime 30s ./shared/directive
	go test -run '^$$' -fuzz FuzzLoad -fuzztime 30s ./shared/settings
	go test -run '^$$' -fuzz FuzzCanonical -fuzztime 30s ./shared/objectstore/httpstore

bench-coordinator: deps ## compare the coordinator with the original poolcounterd, each on one core
	go test -run '^$$' -bench AgainstPoolcounterd -benchtime 1x ./coordinator

bench-worker: deps ## compare processor time through a worker with the library alone
	go test -run '^$$' -bench AgainstLibrary -benchtime 1x ./renderer/internal/worker

bench-batch: deps ## compare six sizes of an original in one batch with six single renders
	go test -run '^$$' -bench SizesTogether -benchtime 1x ./loadtest/suites/cluster

bench-planes: deps ## compare JPEGs that are drawn by planes with libvips, and six sizes of one decoding with one each
	go test -run '^$$' -bench Planes -benchtime 1x ./renderer/internal/vips

bench-bucket: deps ## compare the processor time of a thumbnail from a bucket and from the original
	go test -run '^$$' -bench Bucket -benchtime 1x ./renderer/internal/pipeline

bench-hop: build-deps ## compare a job's way through the queue with a direct call
	go test -run '^$$' -bench Hop -benchtime 5s ./edge/internal/dispatch

# THUMBMILL_FLOOD_SECONDS is the length of each load, 30 by default.
flood: deps ## ask for ten times the misses that a site can render, and for thumbnails that take seconds; print refusals, processor time and others' waits
	go test -run '^$$' -bench 'Flood|Neighbours' -benchtime 1x -timeout 20m ./loadtest/suites/flood

bench-hits: deps ## compare stored thumbnails with nginx and Go's file server, on one core each
	@deploy/install-packages deploy/packages/bench
	go test -run '^$$' -bench Hits -benchtime 1x -timeout 10m ./loadtest/suites/hits

bench-fleet: deps ## measure each role's costs in a large fleet, heartbeats, leases at 1,000 edges and a failover, beside their targets: 5 minutes
	@mkdir -p bin && rm -f bin/fleet.txt bin/fleet.json; failed=; \
	bench() { echo "go test -bench $$*"; go test -timeout 20m -run '^$$' -bench "$$@" >> bin/fleet.txt || failed=1; }; \
	THUMBMILL_FLEET_COSTS=$(CURDIR)/bin/fleet.json bench Fleet -benchtime 1x ./loadtest/suites/fleet; \
	bench Heartbeats -benchtime 20000x ./edge/internal/fleet; \
	bench Leases -benchtime 1x ./coordinator; \
	bench 'Failover|FalseAlarms' -benchtime 1x ./edge/internal/coordinators; \
	cat bin/fleet.txt; \
	go run ./loadtest/cmd/loadtest fleet --sites 3 --coordinators 5 --costs bin/fleet.json --benchmarks bin/fleet.txt || failed=1; \
	test -z "$$failed"

bench-gallery: deps ## compare a gallery page of sixty new files with MediaWiki's own thumb.php, and with imgproxy if it is installed
	THUMBMILL_WIKI=1 go test -count=1 -timeout 30m -v -run TestAGallery ./loadtest/suites/mediawiki

# SCENARIO is a name such as mix, progressive, sizes, png-png or jpg-avif, and requests more than in a run of all, which
# takes 20 minutes. Names only: png-avif, webp-avif, avif-webp, png-jpg, webp-jpg.
bench-peers: deps ## compare thumbnails, processor time and memory with the installed ones of imgproxy, imagor and Thumbor; print all bounds
	SCENARIO='$(SCENARIO)' go test -timeout 60m -run '^$$' -bench 'BenchmarkPeers/^$(SCENARIO)' -benchtime 1x ./loadtest/suites/peers

# THUMBMILL names a program to measure instead of this tree's, OLDER names a program to compare it
# with, MISSES is the number of misses in a round, CONNECTIONS the number of requests under way.
profile: deps ## measure a miss outside of the workers, and a refusal: processor time by package and by step, allocations, system calls
	go test -timeout 20m -run '^$$' -bench 'Profile|Refusal' -benchtime 1x ./loadtest/suites/profile

validate-capacity: deps ## compare the simulator with the cluster: 15 minutes or more, on a machine with no other load
	@mkdir -p bin
	@status=0; THUMBMILL_VALIDATE=$(CURDIR)/bin/capacity.txt go test -count=1 -timeout 60m -v ./loadtest/suites/capacity 2>&1 \
	| tee bin/capacity.log | grep --line-buffered -e '^=== RUN' -e ': again' || status=1; \
	cat bin/capacity.txt && exit $$status

faults: deps ## run a whole site as processes under load, and break it in every way: 15 minutes
	@mkdir -p bin
	@status=0; THUMBMILL_FAULTS=$(CURDIR)/bin/faults.txt go test -count=1 -timeout 40m -v -run TestFaults ./loadtest/suites/faults 2>&1 \
	| tee bin/faults.log | grep --line-buffered -e '^=== RUN' -e '^    *--- FAIL' || status=1; \
	cat bin/faults.txt && exit $$status

# FLAGS adds flags: make corpora DIR=… FLAGS='--concurrency 4'.
corpora: build deps ## compare thumbnails of the files below DIR with other decoders' pictures; a page in bin shows the worst
	@test -n "$(DIR)" || { echo "make corpora DIR=folder: set DIR to a folder of originals"; exit 1; }
	@go build -o bin/ ./loadtest/cmd/loadtest
	bin/loadtest judge --thumbmill bin/thumbmill --html bin/corpora.html --progress bin/corpora.jsonl $(FLAGS) "$(DIR)"

# THUMBMILL_WIKI_POOLCOUNTER, THUMBMILL_WIKI_PAGEDTIFF and THUMBMILL_WIKI_TIMEDMEDIA name the folders of MediaWiki's
# extensions for 1.39: PoolCounter, PagedTiffHandler and TimedMediaHandler, which needs php-getid3.
test-mediawiki: deps bin/mediawiki ## a real MediaWiki in front: 68 files on a folder and on Swift, thumb.php and PoolCounter's client beside MediaWiki's own
	THUMBMILL_WIKI=1 THUMBMILL_WIKI_CORE=$(CURDIR)/bin/mediawiki go test -count=1 -timeout 60m -v ./loadtest/suites/mediawiki

bin/mediawiki:
	loadtest/suites/mediawiki/fetch-core bin/mediawiki

# It checks the chart in deploy/kubernetes.
bin/helm:
	GOBIN=$(CURDIR)/bin go install helm.sh/helm/v3/cmd/helm@v3.20.0

packages: build-deps ## build the Debian packages into bin/packages
	deploy/debian/build bin/packages

test-compose: deps ## run the Compose site in containers, with the static programs and the empty roots of its images
	THUMBMILL_COMPOSE=1 go test -count=1 -timeout 20m -v ./deploy/compose

# TABLE names a file for the table of all faults, a quarter of an hour. Without it, the short form
# runs. The first run builds the images, which stay below /var/tmp/thumbmill-docker or the folder THUMBMILL_DOCKER_HOME.
test-docker: build-deps bin/docker-compose ## run the Compose site on a Docker engine of its own under load, and break its containers
	@deploy/install-packages deploy/packages/docker deploy/packages/roots
	THUMBMILL_DOCKER=$(if $(TABLE),$(abspath $(TABLE)),1) go test -count=1 -timeout 60m -v ./loadtest/suites/docker

# The programs of Kubernetes and the images stay below /var/tmp/thumbmill-kubernetes.
test-kubernetes: build-deps bin/helm bin/docker-compose ## install the chart on a Kubernetes cluster of two nodes, roll, evict, drain, kill and scale its pods under load, add 2,000 renderers, and enforce its policies
	@deploy/install-packages deploy/packages/docker deploy/packages/roots deploy/packages/kubernetes deploy/packages/tests
	nice loadtest/suites/kubernetes/build /var/tmp/thumbmill-kubernetes/bin
	nice loadtest/suites/kubernetes/images /var/tmp/thumbmill-kubernetes/images
	THUMBMILL_KUBERNETES=1 go test -count=1 -timeout 60m -v ./loadtest/suites/kubernetes

# Debian 12 has only Compose 1.
bin/docker-compose:
	go -C "$$(go mod download -json github.com/docker/compose/v2@v2.40.3 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')" build -buildvcs=false -ldflags=-s -o $(CURDIR)/bin/docker-compose ./cmd

# The first run makes a Debian 12 and a Debian 13 below /var/tmp/thumbmill-systemd.
test-packages: deps ## install the Debian packages on two machines with systemd, break, upgrade and roll back their services under load: 6 minutes
	@deploy/install-packages deploy/packages/packaging deploy/packages/roots
	THUMBMILL_PACKAGES=1 go test -count=1 -p 1 -timeout 40m -v ./deploy/debian ./loadtest/suites/packages

# Workers do not run here: AddressSanitizer needs more address space than their limit.
test-sanitize: build-deps ## test the C and C++ code and the JPEG decoder under AddressSanitizer, UBSan and the leak checker: 3 minutes
	@deploy/install-packages deploy/packages/faces
	CGO_CFLAGS='-g -O1 -fno-omit-frame-pointer -fsanitize=undefined -fno-sanitize-recover=undefined' CGO_LDFLAGS=-fsanitize=undefined \
	LSAN_OPTIONS=suppressions=$(CURDIR)/renderer/leaks.txt:print_suppressions=0 UBSAN_OPTIONS=print_stacktrace=1 \
	go test -asan -vet=off -count=1 -timeout 20m $(addprefix ./,$(SANITIZED))

# It compares with the lists in renderer/internal/sandbox/seccomp.go. THUMBMILL_CONFORMANCE and THUMBMILL_CASES name
# folders with more originals. Times of tests are too short under strace: some tests fail. In another Debian:
# deploy/test-debian ROOT SUITE -p 1 -timeout 60m -exec '/src/renderer/internal/sandbox/trace /src/bin/calls' PACKAGE …
trace-calls: deps ## trace the system calls of workers over the suites: 20 minutes
	rm -rf bin/calls
	-go test -vet=off -count=1 -p 1 -timeout 60m -exec '$(CURDIR)/renderer/internal/sandbox/trace $(CURDIR)/bin/calls' $(addprefix ./,$(TRACED))
	THUMBMILL_CALLS=$(CURDIR)/bin/calls go test -count=1 -v -run Traces ./renderer/internal/sandbox

test-clouds: deps ## run the stores of Google Cloud and Azure against emulators, which it downloads to bin/clouds
	GOBIN=$(CURDIR)/bin/clouds go install github.com/fsouza/fake-gcs-server@v1.56.1
	npm install --silent --no-audit --no-fund --prefix bin/clouds azurite@3.35.0
	THUMBMILL_CLOUDS=$(CURDIR)/bin/clouds go test -count=1 -v -tags clouds ./shared/objectstore/blobstore ./shared/objectstore/open

test-loaders: deps ## run the image loaders of docs/loaders.md in Next.js, Nuxt Image and WordPress, which it downloads to bin/loaders
	npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --prefix bin/loaders next@15.5.6 react@19.2.0 react-dom@19.2.0 @nuxt/image@1.11.0
	cd bin/loaders && apt-get download -q wordpress && dpkg-deb -x wordpress_*.deb .
	THUMBMILL_LOADERS=$(CURDIR)/bin/loaders go test -count=1 -v ./loadtest/suites/loaders

# THUMBMILL_SOAK_SECONDS is the time of mixed load and attacks, an hour by default.
soak: deps ## mixed load and attacks for an hour: descriptors, goroutines, memory and disk return to where they began
	THUMBMILL_SOAK_SECONDS=$${THUMBMILL_SOAK_SECONDS:-3600} go test -count=1 -timeout 180m -v -run TestSoak ./loadtest/suites/flood

soak-tests: deps ## test all large and hostile originals, then repeat the system tests for ten minutes
	THUMBMILL_SOAK=1 go test -count=1 -timeout 20m -v -run 'LargeOriginals|LargeOriginalPasses|Hostile|Starve' ./renderer/internal/worker ./loadtest/suites/cluster
	THUMBMILL_SOAK=1 go test -count=1 -timeout 5m -v ./loadtest/suites/flood
	for end in $$((SECONDS + 600)); do while ((SECONDS < end)); do go test -race -count=1 ./loadtest/suites/cluster; done; done

docs: docs/node_modules/.package-lock.json ## build the site of docs/ into docs/.vitepress/dist; a dead link fails it
	cd docs && npm run --silent build

docs-serve: docs/node_modules/.package-lock.json ## serve the site on this machine, and reload it after each change of a page
	cd docs && npm run --silent serve

# The generator has the versions in docs/package-lock.json. Node comes from Debian if it is missing.
docs/node_modules/.package-lock.json: docs/package-lock.json
	@command -v npm >/dev/null || deploy/install-packages deploy/packages/site
	cd docs && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules/.package-lock.json

deps: ## install Debian packages that the tests need
	@deploy/install-packages $(BUILD_PACKAGES) $(TOOL_PACKAGES) $(TEST_PACKAGES)

tools: ## install the programs and fonts that a renderer draws with
	@deploy/install-packages $(TOOL_PACKAGES)

build-deps:
	@deploy/install-packages $(BUILD_PACKAGES)

clean: ## remove everything that was built and drawn
	rm -rf bin data docs/node_modules docs/.vitepress/cache docs/.vitepress/dist
