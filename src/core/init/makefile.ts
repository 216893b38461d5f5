import type { Detected } from './look.ts';
import { stamped } from './stamp.ts';

const HELP = `help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /  make \\1\t/' | expand -t 28

`;

/** A thin Makefile: the commands teams know, each one line of `sluice`. `included`: without a goal and help of its own. */
export function makefile(found: Detected, use: 'alone' | 'included' = 'alone'): string {
  const hasChecks = found.apps.some((app) => Object.keys(app.checks).length > 0);
  const none = '@echo "no checks yet: add some to sluice.config.ts (docs/gates.md)"';
  return stamped(
    '#',
    `# SLUICE may be any command line, for example SLUICE="npx --no-install sluice".
SLUICE ?= sluice
ENV ?= development
${use === 'alone' ? '.DEFAULT_GOAL := help\n.PHONY: help\n' : ''}.PHONY: deploy-all deploy-app deploy-service test-all test-app health-check-all setup-env list-apps list-services

# $(call need,NAME): NAME was given on the command line.
need = $(if $($(1)),,$(error say $(1)=…, for example: make $@ $(1)=name ENV=$(ENV)))

${use === 'alone' ? HELP : ''}deploy-all: ## Release whatever changed: make deploy-all ENV=staging
	$(SLUICE) deploy -e $(ENV)

deploy-app: ## Release one app: make deploy-app APP=web ENV=staging
	$(call need,APP)$(SLUICE) deploy $(APP) -e $(ENV)

deploy-service: ## Release one service: make deploy-service SERVICE=api ENV=staging
	$(call need,SERVICE)$(SLUICE) deploy $(SERVICE) -e $(ENV)

test-all: ## Run the checks of all apps
	${hasChecks ? '$(SLUICE) check' : none}

test-app: ## Run the checks of one app: make test-app APP=web
	$(call need,APP)${hasChecks ? '$(SLUICE) check --app $(APP)' : none}

health-check-all: ## Show what runs in an environment and how it is: make health-check-all ENV=staging
	$(SLUICE) doctor
	$(SLUICE) status -e $(ENV)

setup-env: ## Make .env from .env.example where there is none, and look at what this machine needs
	@if [ -e .env ]; then echo ".env is there"; else umask 077 && cp .env.example .env && echo "made .env: fill it in"; fi
	$(SLUICE) doctor

list-apps: ## List all apps
	@$(SLUICE) apps

list-services: ## List the apps that answer requests
	@$(SLUICE) apps --services
`,
  );
}
