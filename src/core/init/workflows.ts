import type { Detected } from './look.ts';
import { stamped } from './stamp.ts';

/** Pinned by commit: a tag can be moved to other code. Dependabot moves the pin and the comment together. */
const ACTIONS = {
  checkout: 'actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2',
  node: 'actions/setup-node@49933ea5288caeca8642d1e84afbd3f7d6820020 # v4.4.0',
  python: 'actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0',
  go: 'actions/setup-go@d35c59abb061a4a6fb18e82ac0862c26744d6ab5 # v5.5.0',
  pnpm: 'pnpm/action-setup@a7487c7e89a18df4991f7f222e4898a00d66ddda # v4.1.0',
} as const;

const INSTALL = `      - name: Install Sluice
        env:
          SLUICE_PACKAGE: \${{ vars.SLUICE_PACKAGE }}
        run: |
          if [ -z "$SLUICE_PACKAGE" ]; then
            echo "::error::Set the repository variable SLUICE_PACKAGE to the package of Sluice that you use: a file or an address of a .tgz"
            exit 1
          fi
          npm install --global --no-audit --no-fund "$SLUICE_PACKAGE"`;

/** Paths and texts of the workflows, by file. */
export function workflows(found: Detected): ReadonlyMap<string, string> {
  return new Map([
    ['.github/workflows/sluice-ci.yml', stamped('#', ci(found))],
    ['.github/workflows/sluice-deploy.yml', stamped('#', deploy())],
    ['.github/workflows/sluice-preview.yml', stamped('#', preview())],
    ['.github/workflows/sluice-drift.yml', stamped('#', drift())],
  ]);
}

function setup({ languages, packageManager }: Detected): string {
  const steps = [
    ...(packageManager === 'pnpm' ? [`      - uses: ${ACTIONS.pnpm}\n        with:\n          version: 10`] : []),
    `      - uses: ${ACTIONS.node}\n        with:\n          node-version: 22`,
    ...(languages.has('python') ? [`      - uses: ${ACTIONS.python}\n        with:\n          python-version: "3.12"`] : []),
    ...(languages.has('go') ? [`      - uses: ${ACTIONS.go}\n        with:\n          go-version: stable`] : []),
  ];
  return steps.join('\n');
}

function ci(found: Detected): string {
  const hasChecks = found.apps.some((app) => Object.keys(app.checks).length > 0);
  return `# Runs for every pull request and every entry of the merge queue, without a filter of paths: a required check that a filter leaves
# out stays pending for ever. Sluice itself leaves out what has not changed.
name: CI
on:
  pull_request:
  merge_group:
  push:
    branches: [main]
permissions:
  contents: read
concurrency:
  group: ci-\${{ github.workflow }}-\${{ github.ref }}
  cancel-in-progress: \${{ github.event_name == 'pull_request' }}
jobs:
  secrets:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    steps:
      - uses: ${ACTIONS.checkout}
        with:
          # The whole history: new lines are found from where the branch began, not from a base that has moved on.
          fetch-depth: 0
          persist-credentials: false
      - uses: ${ACTIONS.node}
        with:
          node-version: 22
${INSTALL}
      - name: Look for secrets
        run: sluice scan --no-input
  checks:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    steps:
      - uses: ${ACTIONS.checkout}
        with:
          fetch-depth: 0
          persist-credentials: false
${setup(found)}
${INSTALL}
      - name: Check what changed
        run: ${hasChecks ? 'sluice check --changed --no-input' : 'sluice apps --no-input # reads the configuration; add checks to it, then: sluice check --changed'}
  # The one to require: a job that was skipped, or cancelled, is not a pass.
  ci:
    if: \${{ always() }}
    needs: [secrets, checks]
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {}
    steps:
      - name: Everything passed
        env:
          RESULTS: \${{ join(needs.*.result, ' ') }}
        run: |
          echo "$RESULTS"
          for result in $RESULTS; do
            [ "$result" = success ] || exit 1
          done
`;
}

const WHERE = `# Apps run on the machine that deploys them, so this needs a runner of your own there; RUNS_ON is its label
# (repository variable SLUICE_RUNS_ON, otherwise "self-hosted"). The checkout keeps .sluice, where apps and records live.`;
const RUNS_ON = `\${{ vars.SLUICE_RUNS_ON || 'self-hosted' }}`;

function deploySteps(environment: string, ref = ''): string {
  return `    steps:
      - uses: ${ACTIONS.checkout}
        with:
          fetch-depth: 0
          persist-credentials: false
          clean: false${ref}
      - name: Show the plan
        env:
          SLUICE_URL: \${{ vars.SLUICE_URL }}
          SLUICE_TOKEN: \${{ secrets.SLUICE_TOKEN }}
          ENVIRONMENT: ${environment}
        run: sluice plan -e "$ENVIRONMENT" --no-input | tee -a "$GITHUB_STEP_SUMMARY"
`;
}

function deployStep(environment: string): string {
  return `      - name: Deploy
        env:
          SLUICE_URL: \${{ vars.SLUICE_URL }}
          SLUICE_TOKEN: \${{ secrets.SLUICE_TOKEN }}
          SLUICE_BY: \${{ github.actor }}
          ENVIRONMENT: ${environment}
        run: sluice deploy -e "$ENVIRONMENT" --yes --no-input
`;
}

function deploy(): string {
  return `${WHERE}
# Who may deploy, and after whose approval, is said by the environments of this repository (Settings, Environments).
name: Deploy
on:
  push:
    branches: [main]
  workflow_dispatch:
    inputs:
      environment:
        description: Where to
        type: choice
        options: [staging, production]
        default: staging
permissions:
  contents: read
concurrency:
  # One after another, and never cut off: Sluice itself puts a release back that must not go on.
  group: deploy-\${{ inputs.environment || 'staging' }}
  cancel-in-progress: false
jobs:
  deploy:
    runs-on: ${RUNS_ON}
    timeout-minutes: 120
    environment:
      name: \${{ inputs.environment || 'staging' }}
${deploySteps("${{ inputs.environment || 'staging' }}")}${deployStep("${{ inputs.environment || 'staging' }}")}`;
}

function preview(): string {
  return `${WHERE}
# Only pull requests of this repository that a maintainer has labelled "preview": code of a fork never reaches your machine.
# All of them share the environment "preview"; the newest deploy is what it shows.
name: Preview
on:
  pull_request:
    types: [labeled, synchronize, reopened]
permissions:
  contents: read
concurrency:
  group: deploy-preview
  cancel-in-progress: false
jobs:
  preview:
    if: >-
      \${{ github.event.pull_request.head.repo.full_name == github.repository
      && contains(github.event.pull_request.labels.*.name, 'preview') }}
    runs-on: ${RUNS_ON}
    timeout-minutes: 60
    environment:
      name: preview
${deploySteps('preview', '\n          ref: ${{ github.event.pull_request.head.sha }}')}${deployStep('preview')}`;
}

function drift(): string {
  return `${WHERE}
# What main says and what runs should be the same. A run that fails says where they differ.
name: Drift
on:
  schedule:
    - cron: "23 5 * * *"
  workflow_dispatch:
permissions:
  contents: read
jobs:
  drift:
    strategy:
      fail-fast: false
      matrix:
        environment: [staging, production]
    runs-on: ${RUNS_ON}
    timeout-minutes: 30
    concurrency:
      group: deploy-\${{ matrix.environment }}
      cancel-in-progress: false
    steps:
      - uses: ${ACTIONS.checkout}
        with:
          fetch-depth: 0
          persist-credentials: false
          clean: false
      - name: Compare
        env:
          SLUICE_URL: \${{ vars.SLUICE_URL }}
          SLUICE_TOKEN: \${{ secrets.SLUICE_TOKEN }}
          ENVIRONMENT: \${{ matrix.environment }}
        run: |
          sluice doctor --no-input
          sluice status -e "$ENVIRONMENT" --no-input
          sluice plan -e "$ENVIRONMENT" --no-input | tee -a "$GITHUB_STEP_SUMMARY"
          sluice plan -e "$ENVIRONMENT" --no-input --json > plan.json
          node -e 'const { plan } = JSON.parse(require("fs").readFileSync("plan.json", "utf8")); process.exit(plan.apps.length === 0 ? 0 : 1)'
`;
}
