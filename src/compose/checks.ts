import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { cleanEnvironment } from '../lib/clean-environment.ts';
import { workspaceFolder } from '../lib/own-folder.ts';
import { gitHistory } from '../services/checks/history.ts';
import { localChecks } from '../services/checks/local.ts';
import { fileTrends } from '../services/checks/trends.ts';
import { reportReaders } from '../adapters/reports/index.ts';
import { gitSource } from '../adapters/source/git.ts';
import { createSecrets } from '../services/secrets/secrets.ts';
import { changeReaders } from './change-readers.ts';
import { workspaceAt } from '../services/planning/changes.ts';
import { loadConfig } from '../config/load/load.ts';
import { resolveChecks } from '../config/resolve/checks.ts';
import { resolveEnvironment } from '../config/resolve/resolve.ts';
import type { Config } from '../config/schema/workspace.ts';
import { suggestion } from '../core/text/did-you-mean.ts';
import { UserError } from '../core/errors.ts';
import type { Base } from '../core/gates/base.ts';
import type { CheckOutcome, CheckReport, Measures } from '../core/gates/report.ts';
import type { Checks } from '../ports/checks.ts';
import type { SourceControl } from '../ports/source.ts';

export interface ReleaseChecksOptions {
  readonly dir: string;
  readonly source: SourceControl;
  /** The configuration as it stands now. */
  readonly config: () => Promise<Config>;
  /** Where the tokens of report servers stand. */
  readonly value: (name: string) => string | undefined;
}

/** Checks of commits, as releases ask for them: each in a checkout of its own, without our own variables. */
export function createReleaseChecks({ dir, source, config, value }: ReleaseChecksOptions): Checks {
  return localChecks({
    ...common(dir, value),
    source,
    settings: async (app) => resolveChecks(await config(), app),
    environment: cleanEnvironment(process.env),
    place: 'checkout',
    concurrency: availableParallelism(),
    failFast: false,
    force: false,
  });
}

export interface WorkspaceCheckOptions {
  /** Root of the workspace. */
  readonly dir: string;
  /** Of this program. */
  readonly version: string;
  /** Only these; none: all. */
  readonly apps: readonly string[];
  /** Only apps that differ from the base, themselves or in what they depend on. */
  readonly changed: boolean;
  /** What lines are new against; null: where the branch began, or the commit before. */
  readonly since: string | null;
  /** Environment whose build settings count as part of an app. */
  readonly environment: string;
  readonly failFast: boolean;
  readonly force: boolean;
  readonly concurrency: number | null;
  readonly onCheck: (app: string, check: string, outcome: CheckOutcome | null) => void;
}

export interface WorkspaceChecked {
  readonly reports: readonly CheckReport[];
  /** Apps that were left alone because nothing of theirs has changed. */
  readonly unchanged: readonly string[];
  readonly commit: string;
  readonly base: Base;
  /** As it was before, for the comparison. */
  readonly before: ReadonlyMap<string, Measures>;
}

/**
 * Checks of the workspace as it stands, uncommitted changes too. Needs no control plane.
 * @throws UserError `CONFIG_*`, `UNKNOWN_APP`, `UNKNOWN_ENVIRONMENT`, `CHECKS_NONE`, `COMMIT_UNKNOWN`, `NOT_A_REPOSITORY`.
 */
export async function checkWorkspace(options: WorkspaceCheckOptions, signal: AbortSignal): Promise<WorkspaceChecked> {
  const dir = resolve(options.dir);
  workspaceFolder(dir);
  const config = await loadConfig(dir);
  const asked = askedApps(config, options.apps);
  const source = gitSource({ dir });
  const history = gitHistory(dir);
  const commit = await stateOf(source);
  const base: Base = options.since === null ? await history.usualBase() : { kind: 'commit', commit: await history.commit(options.since) };
  // The same as a plan for that environment has, so that its release finds the evidence.
  const readers = changeReaders(dir, options.version);
  const at = async (id: string): Promise<ReadonlyMap<string, string>> =>
    (await workspaceAt(readers, id, config, resolveEnvironment(config, options.environment))).fingerprints;
  const now = await at(commit);
  // Where the base is not known every app counts as changed.
  const then = options.changed && base.kind === 'commit' ? await at(base.commit) : new Map<string, string>();
  const apps = asked.filter((app) => !options.changed || now.get(app) !== then.get(app));
  const checks = localChecks({
    ...common(dir, (name) => createSecrets({ workspace: dir, own: process.env, ownFirst: true }).value(name, null)),
    source,
    settings: (app) => Promise.resolve(resolveChecks(config, app)),
    environment: definedOnly(process.env),
    place: 'workspace',
    concurrency: options.concurrency ?? availableParallelism(),
    failFast: options.failFast,
    force: options.force,
    onCheck: options.onCheck,
  });
  const before = await measuresBefore(dir, apps, now);
  const reports = await Promise.all(apps.map((app) => checks.run({ app, commit, base, fingerprint: now.get(app) ?? '' }, signal)));
  return { reports, unchanged: asked.filter((app) => !apps.includes(app)), commit, base, before };
}

/** Apps that ask for checks or gates. */
function askedApps(config: Config, named: readonly string[]): string[] {
  const names = Object.keys(config.apps);
  const unknown = named.find((app) => !names.includes(app));
  if (unknown !== undefined)
    throw new UserError(
      'UNKNOWN_APP',
      `There is no app "${unknown}".${suggestion(unknown, names)}`,
      `Apps of this workspace: ${names.join(', ')}.`,
    );
  const asked = (named.length === 0 ? names : [...new Set(named)]).filter((app) => resolveChecks(config, app)?.gates != null);
  if (asked.length > 0) return asked;
  throw new UserError(
    'CHECKS_NONE',
    `${named.length === 0 ? 'No app of this workspace' : named.join(', ')} asks for any checks or gates.`,
    'Write them into the configuration: checks: { test: "npm test" }. See docs/gates.md.',
  );
}

/** The last commit, or a snapshot where something is not committed. */
async function stateOf(source: SourceControl): Promise<string> {
  const { commit, uncommitted } = await source.head();
  return commit === null || uncommitted.length > 0 ? source.snapshot() : commit;
}

async function measuresBefore(dir: string, apps: readonly string[], now: ReadonlyMap<string, string>): Promise<Map<string, Measures>> {
  const trends = fileTrends(join(dir, '.sluice', 'checks', 'trends'));
  const found = await Promise.all(
    apps.map(async (app): Promise<[string, Measures][]> => {
      const last = (await trends.read(app)).findLast((one) => one.fingerprint !== now.get(app));
      return last === undefined ? [] : [[app, last.measures]];
    }),
  );
  return new Map(found.flat());
}

function common(dir: string, value: (name: string) => string | undefined) {
  return {
    dir,
    store: join(dir, '.sluice', 'checks'),
    history: gitHistory(dir),
    readers: reportReaders,
    secret: (name: string) => value(name) ?? null,
    now: Date.now,
  };
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
