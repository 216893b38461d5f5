# Everything a fresh Debian machine with Node 20 and npm needs is set up from here.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
SUDO := $(shell [ "$$(id -u)" = 0 ] || (command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo "sudo -n"))
CAN_INSTALL := $(shell command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || [ -n "$(SUDO)" ]; } && echo yes)
DEBIAN_PACKAGES := git:git python3:python3 haproxy:haproxy
export npm_config_update_notifier := false

.PHONY: help demo test check specs bench soak build clean packages

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: build ## Release, canary, break and put back a real workspace under traffic (under 3 minutes)
	@node --import tsx scripts/demo.ts

test: packages build check specs ## Lint, types, architecture and every test

check: node_modules/.installed
	@echo "== lint"; npx --no-install oxlint --deny-warnings
	@echo "== format"; npx --no-install oxfmt --check
	@echo "== types"; npx --no-install tsc --noEmit
	@echo "== unused code"; npx --no-install knip

specs: node_modules/.installed
	@echo "== tests"; npx --no-install vitest run

bench: build packages ## Measure against named peers; results go to bench/RESULTS.md
	@for file in bench/*.bench.ts; do echo "== $$file"; node --import tsx "$$file"; done

soak: build ## Long runs: a million simulated releases, a hundred real kills
	@SLUICE_SEEDS=1000000 npx --no-install vitest run test/simulation/simulation.spec.ts
	@SLUICE_KILLS=100 npx --no-install vitest run test/e2e/kills.spec.ts

build: node_modules/.installed ## Compile to dist/
	@echo "== build"; npx --no-install tsc -p tsconfig.build.json

clean: ## Remove what was built and installed here
	rm -rf dist node_modules coverage .make

# Without package-lock.json having changed nothing is fetched: works offline after the first time.
node_modules/.installed: package-lock.json
	@echo "== npm ci"; npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Suites whose server is missing skip themselves and say so.
packages:
	@missing=""; for pair in $(DEBIAN_PACKAGES); do \
	  PATH="$$PATH:/usr/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ] && [ "$(CAN_INSTALL)" = yes ]; then \
	  echo "== installing$$missing"; { $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null 2>&1 || \
	    { $(SUDO) apt-get update -qq >/dev/null && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; }; } || \
	  echo "== could not install$$missing: their suites will be skipped"; \
	elif [ -n "$$missing" ]; then echo "== not installed and not allowed to install:$$missing; their suites will be skipped"; fi
