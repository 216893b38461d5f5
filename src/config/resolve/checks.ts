import type { Format } from '../../core/gates/contents.ts';
import type { Budget, GateSettings, Waiver } from '../../core/gates/settings.ts';
import type { AppChecks, CheckSpec, ReportSpec } from '../../core/gates/specs.ts';
import { CHECK_DEFAULTS as D, TEST_FILES, TOOL_FILES } from '../schema/checks-defaults.ts';
import type { ChecksConfig, GatesConfig } from '../schema/checks.ts';
import { normalPath } from './resolve.ts';
import type { Config } from '../schema/workspace.ts';
import { ms, splitArgv } from '../schema/values.ts';

/** What is checked of an app, every setting decided; null: there is no such app. Expects a configuration that `loadConfig` accepted. */
export function resolveChecks(config: Config, app: string): AppChecks | null {
  const own = config.apps[app];
  if (own === undefined) return null;
  const checks = Object.entries(own.checks ?? {}).map(([check, setting]) => checkOf(check, setting));
  const isAsked = checks.length > 0 || own.gates !== undefined;
  return { app, path: normalPath(own.path), checks, gates: isAsked ? gatesOf(own.gates ?? {}, checks) : null };
}

type CheckConfig = ChecksConfig[string];

function checkOf(check: string, setting: CheckConfig): CheckSpec {
  const own = typeof setting === 'string' || Array.isArray(setting) ? { command: setting } : setting;
  const reports = (own.reports ?? []).map(reportOf);
  const asksServers = reports.some((report) => report.server !== null);
  const { reuse = asksServers ? D.reuseOfAnswers : true } = own;
  return {
    check,
    command: own.command === undefined ? null : typeof own.command === 'string' ? (splitArgv(own.command) ?? []) : own.command,
    folder: own.folder ?? D.folder,
    needs: [...new Set(own.needs)],
    timeoutMs: ms(own.timeout ?? D.timeout),
    env: own.env ?? {},
    inputs: (own.inputs ?? []).map(normalPath),
    reports,
    reuseMs: reuse === true ? null : reuse === false ? 0 : ms(reuse),
    setup: own.setup ?? false,
  };
}

type ReportConfig = NonNullable<Exclude<CheckConfig, string | string[]>['reports']>[number];

function reportOf(report: ReportConfig): ReportSpec {
  return {
    format: report.format,
    path: normalPath(report.path),
    server: report.server ?? null,
    token: report.token ?? null,
    maxAgeMs: ms(report.maxAge ?? D.maxAge),
    ignore: report.ignore ?? [],
  };
}

/** A gate that says nothing of itself is asked for where a check makes the reports it needs. */
function gatesOf(gates: GatesConfig, checks: readonly CheckSpec[]): GateSettings {
  const formats = new Set(checks.flatMap((check) => check.reports.map((report) => report.format)));
  const has = (...some: Format[]): boolean => some.some((format) => formats.has(format));
  return {
    coverage: coverageOf(gates.coverage ?? (has('lcov', 'cobertura') ? {} : false)),
    duplication: duplicationOf(gates.duplication ?? {}),
    smallChange: gates.smallChange ?? D.smallChange,
    tests: testsOf(gates.tests ?? (has('junit') ? {} : false)),
    findings: findingsOf(gates.findings ?? (has('sarif') ? {} : false)),
    ratings: {
      reliability: gates.ratings?.reliability ?? null,
      security: gates.ratings?.security ?? null,
      maintainability: gates.ratings?.maintainability ?? null,
      review: gates.ratings?.review ?? null,
    },
    ratingsOf: gates.ratings?.of ?? D.ratingsOf,
    debtRatio: gates.debtRatio ?? null,
    licences: gates.licences === undefined ? null : { allow: gates.licences.allow, except: gates.licences.except ?? [] },
    advisories: advisoriesOf(gates.advisories ?? (has('npm-audit', 'osv') ? D.advisories : false)),
    budgets:
      gates.budgets === undefined ? null : Object.fromEntries(Object.entries(gates.budgets).map(([name, one]) => [name, budgetOf(one)])),
    qualityGate: gates.sonarqube ?? has('sonarqube'),
    waivers: (gates.waivers ?? []).map(waiverOf),
  };
}

function coverageOf(coverage: NonNullable<GatesConfig['coverage']>): GateSettings['coverage'] {
  if (coverage === false) return null;
  return {
    new: orNull(coverage.new ?? D.coverage.new),
    overall: coverage.overall ?? null,
    exclude: [...TEST_FILES, ...TOOL_FILES, ...(coverage.exclude ?? [])],
    unmeasured: coverage.unmeasured ?? D.coverage.unmeasured,
  };
}

function duplicationOf(duplication: NonNullable<GatesConfig['duplication']>): GateSettings['duplication'] {
  if (duplication === false) return null;
  return {
    new: orNull(duplication.new ?? D.duplication.new),
    overall: duplication.overall ?? null,
    exclude: [...TEST_FILES, ...(duplication.exclude ?? [])],
  };
}

function testsOf(tests: NonNullable<GatesConfig['tests']>): GateSettings['tests'] {
  return tests === false ? null : { least: tests.least ?? D.tests.least, expectedSkips: tests.expectedSkips ?? [] };
}

function findingsOf(findings: NonNullable<GatesConfig['findings']>): GateSettings['findings'] {
  if (findings === false) return null;
  return { new: orNull(findings.new ?? D.findings.new), overall: findings.overall ?? null, exclude: findings.exclude ?? [] };
}

function advisoriesOf(advisories: NonNullable<GatesConfig['advisories']>): GateSettings['advisories'] {
  return advisories === false ? null : { least: advisories };
}

function orNull<T>(value: T | false): T | null {
  return value === false ? null : value;
}

function budgetOf(budget: NonNullable<GatesConfig['budgets']>[string]): Budget {
  return { most: budget.most ?? null, least: budget.least ?? null, worse: budget.worse ?? null };
}

const DAY_MS = 86_400_000;

function waiverOf(waiver: NonNullable<GatesConfig['waivers']>[number]): Waiver {
  const { what, path = null, author, reason, expires } = waiver;
  return { what, path, author, reason, expires: Date.parse(expires) + DAY_MS };
}
