# thumbmill: `make run` shows thumbnails, `make test` runs every test.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What it takes to build and run, and the real servers that tests run against.
BUILD_PACKAGES := gcc libc6-dev pkg-config libvips-dev libjpeg62-turbo-dev
# The renderer's tools, and the fonts of drawings that Wikimedia's renderers have.
TOOL_PACKAGES  := librsvg2-bin poppler-utils djvulibre-bin imagemagick ffmpeg gifsicle libjpeg-turbo-progs optipng
FONT_PACKAGES  := culmus culmus-fancy fonts-alee fonts-ancient-scripts fonts-arabeyes fonts-arphic-ukai fonts-arphic- \
	uming fonts-beng fonts-crosextra-caladea fonts-crosextra-carlito fonts-dejavu-core fonts-dejavu- \
	extra fonts-deva fonts-farsiweb fonts-gujr fonts-gujr-extra fonts-guru fonts-hosny-amiri fonts- \
	ipafont-gothic fonts-ipafont-mincho fonts-kacst fonts-khmeros fonts-knda fonts-lao fonts-liberation \
	fonts-liberation2 fonts-linuxlibertine fonts-lklug-sinhala fonts-lyx fonts-manchufont fonts-mlym \
	fonts-nafees fonts-noto-cjk fonts-noto-cjk-extra fonts-noto-color-emoji fonts-noto-core fonts-noto- \
	extra fonts-noto-hinted fonts-noto-mono fonts-noto-ui-core fonts-noto-unhinted fonts-orya fonts-sil- \
	abyssinica fonts-sil-ezra fonts-sil-lateef fonts-sil-nuosusil fonts-sil-padauk fonts-sil- \
	scheherazade fonts-smc fonts-symbola fonts-takao-gothic fonts-takao-mincho fonts-taml fonts-taml- \
	tscu fonts-telu fonts-thai-tlwg fonts-tibetan-machine fonts-unfonts-core fonts-unfonts-extra fonts- \
	vlgothic fonts-wqy-zenhei texlive-fonts-recommended xfonts-100dpi xfonts-75dpi xfonts-base xfonts- \
	mplus xfonts-scalable
TEST_PACKAGES  := memcached poolcounter python3-swift webp libheif-examples

.PHONY: help run build test lint fuzz bench-coordinator bench-worker bench-hop soak deps tools build-deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build tools ## install what is missing, build, start the whole cluster, print URLs to click
	bin/thumbmill serve --samples --originals data/originals --thumbnails data/thumbnails

test: deps ## install what is missing, run every test in its short form
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	go vet ./...
	CGO_ENABLED=0 go build -o /dev/null ./edge/cmd/edge
	CGO_ENABLED=0 go build -o /dev/null ./coordinator/cmd/coordinator
	go test -race -timeout 9m ./...
	go test -timeout 2m ./coordinator/internal/pools # what the race detector's own memory would hide

build: build-deps ## build bin/thumbmill and the three roles
	go build -o bin/ . ./edge/cmd/edge ./coordinator/cmd/coordinator ./renderer/cmd/renderer

lint: build-deps ## golangci-lint, by the rules in .golangci.yml
	go run $(GOLANGCI) run

fuzz: build-deps ## each fuzz test for half a minute
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./edge/internal/mediawiki
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./edge/internal/thumbor
	go test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./shared/poolcounter
	go test -run '^$$' -fuzz FuzzConversation -fuzztime 30s ./coordinator/internal/classic
	go test -run '^$$' -fuzz FuzzFrames -fuzztime 30s ./shared/lease
	go test -run '^$$' -fuzz FuzzNative -fuzztime 30s ./coordinator
	go test -run '^$$' -fuzz FuzzInspect -fuzztime 30s ./renderer/internal/guard
	go test -run '^$$' -fuzz FuzzLoad -fuzztime 30s ./shared/settings

bench-coordinator: deps ## the coordinator beside the original poolcounterd, each on one core
	go test -run '^$$' -bench AgainstPoolcounterd -benchtime 1x ./coordinator

bench-worker: build-deps ## processor time through a worker beside the library's own
	go test -run '^$$' -bench AgainstLibrary -benchtime 1x ./renderer/internal/worker

bench-hop: build-deps ## a job's way through the queue beside a direct call
	go test -run '^$$' -bench Hop -benchtime 5s ./edge/internal/dispatch

soak: deps ## the system tests again and again, for ten minutes
	for end in $$((SECONDS + 600)); do while ((SECONDS < end)); do go test -race -count=1 ./loadtest/cluster; done; done

deps: ## install Debian packages that tests need
	@deploy/install-packages $(BUILD_PACKAGES) $(TOOL_PACKAGES) $(FONT_PACKAGES) $(TEST_PACKAGES)

tools: ## install the programs and fonts with which a renderer draws
	@deploy/install-packages $(TOOL_PACKAGES) $(FONT_PACKAGES)

build-deps:
	@deploy/install-packages $(BUILD_PACKAGES)

clean: ## remove what was built and drawn
	rm -rf bin data
