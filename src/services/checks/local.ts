import { createHash } from 'node:crypto';
import { access, mkdir, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { canonicalJson } from '../../core/text/canonical.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { ReadReport } from '../../core/gates/contents.ts';
import { reportOf } from '../../core/gates/assemble.ts';
import { judge } from '../../core/gates/judge.ts';
import { areKnown } from '../../core/gates/new-lines.ts';
import type { CheckOutcome, CheckReport } from '../../core/gates/report.ts';
import type { AppChecks, CheckSpec, ReportSpec } from '../../core/gates/specs.ts';
import { inOrder } from '../../core/gates/specs.ts';
import { isSource } from '../../core/gates/tokens.ts';
import type { Checks } from '../../ports/checks.ts';
import type { CheckRequest } from '../../core/gates/check-request.ts';
import type { ReportReader } from '../../ports/reports.ts';
import type { SourceControl } from '../../ports/source.ts';
import { isDiskFull, removeAbandoned, removeTree, unfinishedName } from '../../lib/unfinished.ts';
import type { Evidence } from './evidence.ts';
import { fileEvidence } from './evidence.ts';
import type { Slots } from './graph.ts';
import { runGraph, slots } from './graph.ts';
import type { History } from './history.ts';
import type { ReadingContext } from './reports.ts';
import { readReports } from './reports.ts';
import type { Checked, RunContext } from './run-check.ts';
import { readCheck, runCheck } from './run-check.ts';
import { fileTrends } from './trends.ts';
import type { Watchdog } from './watchdog.ts';
import { createWatchdog } from './watchdog.ts';

export interface LocalChecksOptions {
  /** Root of the workspace. */
  readonly dir: string;
  /** Folder for evidence, trends and checkouts. */
  readonly store: string;
  readonly source: Pick<SourceControl, 'export'>;
  readonly history: History;
  readonly readers: readonly ReportReader[];
  /** What is asked of an app now; null: there is no such app. */
  readonly settings: (app: string) => Promise<AppChecks | null>;
  /** Variables of the commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Values of variables that name tokens of servers. */
  readonly secret: (name: string) => string | null;
  /** Run in the workspace as it stands (the request's commit is a snapshot of it), or in a checkout of the commit. */
  readonly place: 'workspace' | 'checkout';
  /** Commands at a time, of all apps together. */
  readonly concurrency: number;
  /** Stop all apps' checks at the first one that fails; for one round of runs. */
  readonly failFast: boolean;
  /** Run everything, whatever evidence there is. */
  readonly force: boolean;
  readonly now: () => number;
  /** Told as a check begins (`null`) and ends. */
  readonly onCheck?: (app: string, check: string, outcome: CheckOutcome | null) => void;
}

/** Checks on this machine: commands as processes, evidence in files. */
export function localChecks(options: LocalChecksOptions): Checks {
  const free = slots(options.concurrency);
  // One for all apps that are looked at side by side.
  const watchdog = createWatchdog();
  const stop = options.failFast ? new AbortController() : null;
  let underWay = 0;
  return {
    async run(request, signal) {
      signal.throwIfAborted();
      underWay += 1;
      try {
        return await runApp(request, { ...options, free, watchdog, stop }, signal);
      } catch (error) {
        throw isDiskFull(error)
          ? new OutsideError('DISK_FULL', `The disk is full (${options.store}).`, 'Free some space, and run the checks again.', error)
          : error;
      } finally {
        underWay -= 1;
        if (underWay === 0) watchdog.dismiss();
      }
    },
  };
}

interface Context extends LocalChecksOptions {
  readonly free: Slots;
  readonly watchdog: Watchdog;
  /** Stops all apps. */
  readonly stop: AbortController | null;
}

async function runApp(request: CheckRequest, context: Context, signal: AbortSignal): Promise<CheckReport> {
  const { app, commit, base } = request;
  const startedAt = context.now();
  const settings = await context.settings(app);
  if (settings === null)
    throw new UserError(
      'CHECKS_UNKNOWN_APP',
      `There is no app ${app} in the configuration as it is now.`,
      'It was taken away or renamed since.',
    );
  const trends = fileTrends(join(context.store, 'trends'));
  const files = new Set(await context.history.files(commit));
  const own = [...files].filter((path) => isSource(path) && (settings.path === '.' || path.startsWith(`${settings.path}/`)));
  const [newLines, sources, before] = await Promise.all([
    context.history.newLines(base, commit),
    context.history.read(commit, own, signal),
    trends.read(app),
  ]);
  const checked = await withTree(request, context, signal, (tree) =>
    runChecks(settings, request, { ...context, ...tree, files, own }, signal),
  );
  const previous = before.findLast((one) => one.verdict === 'passed')?.measures.metrics ?? {};
  const reports = checked.flatMap((one) => one.reports);
  const ownLines = areKnown(newLines)
    ? new Map([...newLines].filter(([path]) => settings.path === '.' || path.startsWith(`${settings.path}/`)))
    : newLines;
  const judgement =
    settings.gates === null ? null : judge(settings.gates, { reports, newLines: ownLines, sources, previous, now: context.now() });
  const report = reportOf({ request, startedAt, endedAt: context.now(), checks: checked.map((one) => one.outcome), judgement });
  if (report.verdict !== 'none') await trends.add(report);
  return report;
}

interface Tree {
  /** Root of the tree that commands run in; made when the first one does. */
  readonly root: () => Promise<string>;
}

/** The workspace itself, or a checkout that is made when something has to run and removed afterwards. */
async function withTree<T>(
  { commit }: CheckRequest,
  { place, dir, store, source }: Context,
  signal: AbortSignal,
  use: (tree: Tree) => Promise<T>,
): Promise<T> {
  if (place === 'workspace') return use({ root: () => Promise.resolve(dir) });
  const work = join(store, 'checkouts');
  const tree: { made: Promise<string> | null } = { made: null };
  const make = async (): Promise<string> => {
    await removeAbandoned(work);
    const root = join(work, unfinishedName());
    await mkdir(root, { recursive: true });
    await source.export(commit, '.', root, signal);
    return root;
  };
  try {
    return await use({ root: () => (tree.made ??= make()) });
  } finally {
    if (tree.made !== null) await tree.made.then(removeTree, () => undefined);
  }
}

interface AppContext extends Context, Tree {
  /** Files of the commit, in the whole workspace. */
  readonly files: ReadonlySet<string>;
  /** Those of the app that are sources. */
  readonly own: readonly string[];
}

async function runChecks(settings: AppChecks, request: CheckRequest, context: AppContext, signal: AbortSignal): Promise<Checked[]> {
  const specs = inOrder(settings.checks);
  const keys = await keysOf(specs, request, context);
  const found = new Map<string, Evidence>();
  for (const spec of specs) {
    const evidence = await usable(spec, keys.get(spec.check) ?? '', settings.app, context);
    if (evidence !== null) found.set(spec.check, evidence);
  }
  const running = toRun(specs, found, context.place);
  return runGraph(
    specs.map((spec) => ({ ...spec, name: spec.check })),
    {
      slots: context.free,
      stop: context.stop,
      signal,
      isGood: ({ outcome }) => outcome.result === 'passed',
      skipped: (spec, because) => ({
        outcome: notRun(spec.check, because, context.now()),
        reports: missing(spec, `${spec.check} was not run`),
      }),
      async run(spec, stop) {
        context.onCheck?.(settings.app, spec.check, null);
        const runContext = contextOf(spec, keys.get(spec.check) ?? '', settings, context, stop);
        const checked = running.has(spec.check)
          ? await runNow(spec, runContext, found.get(spec.check))
          : await reuse(spec, found.get(spec.check), await runContext(false));
        context.onCheck?.(settings.app, spec.check, checked.outcome);
        return checked;
      },
    },
  );
}

async function runNow(
  spec: CheckSpec,
  contextFor: (isRunning: boolean) => Promise<RunContext>,
  known: Evidence | undefined,
): Promise<Checked> {
  const context = await contextFor(true);
  if (spec.command !== null) return runCheck(spec, spec.command, context);
  const read = await readCheck(spec, context);
  // Reports that are gone, or about something newer, may have been read for these very sources before.
  return read.outcome.result === 'passed' || known === undefined ? read : reuse(spec, known, context);
}

async function reuse(spec: CheckSpec, evidence: Evidence | undefined, context: RunContext): Promise<Checked> {
  if (evidence === undefined) return { outcome: notNeeded(spec.check, context.now()), reports: [] };
  const { outcome, root, reports } = evidence;
  const read = await Promise.all(
    spec.reports.map((report) =>
      readReports(
        {
          spec: report,
          check: spec.check,
          files: reports.get(report.path) ?? [],
          problem: null,
          root,
          isFromElsewhere: spec.command === null,
        },
        context.reading(report, true),
      ),
    ),
  );
  const when = new Date(outcome.at).toISOString().slice(0, 16).replace('T', ' ');
  return { outcome: { ...outcome, reused: true, message: `Not run: the same inputs passed on ${when} UTC.` }, reports: read.flat() };
}

function contextOf(spec: CheckSpec, key: string, settings: AppChecks, context: AppContext, signal: AbortSignal) {
  return async (isRunning: boolean): Promise<RunContext> => {
    const root = isRunning ? await context.root() : context.dir;
    const isThere = async (path: string): Promise<boolean> =>
      context.files.has(path) ||
      access(join(root, path)).then(
        () => true,
        () => false,
      );
    return {
      app: settings.app,
      appPath: settings.path,
      root,
      key,
      environment: context.environment,
      evidence: fileEvidence(join(context.store, 'evidence')),
      watchdog: context.watchdog,
      signal,
      now: context.now,
      sourcesAt: () => (context.place === 'checkout' ? Promise.resolve(null) : youngest(root, context.own)),
      reading: (report: ReportSpec, isKept: boolean): ReadingContext => ({
        readers: context.readers,
        appPath: settings.path,
        isThere,
        files: context.files,
        isKept,
        server: report.server,
        token: report.token === null ? null : context.secret(report.token),
        signal,
      }),
    };
  };
}

async function youngest(root: string, paths: readonly string[]): Promise<number> {
  const times = await Promise.all(
    paths.map((path) =>
      stat(join(root, path)).then(
        (found) => found.mtimeMs,
        () => 0,
      ),
    ),
  );
  return times.reduce((most, one) => Math.max(most, one), 0);
}

/** What each check's result depends on: the app's fingerprint, what else it names, its settings, what it needs, this machine. */
async function keysOf(specs: readonly CheckSpec[], request: CheckRequest, context: AppContext): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const spec of specs) {
    const { check, command, folder, env, setup } = spec;
    const ids = await context.history.ids(request.commit, spec.inputs);
    const content = {
      v: 1,
      check,
      command,
      folder,
      env,
      reports: spec.reports.map(({ format, path, server }) => ({ format, path, server })),
      // What a setup leaves is in one folder alone, and depends on what it names, if it names anything.
      ...(setup && spec.inputs.length > 0 ? {} : { fingerprint: request.fingerprint }),
      ...(setup ? { place: context.dir } : {}),
      inputs: spec.inputs.map((path, i) => [posix.normalize(path), ids[i] ?? null]),
      needs: spec.needs.map((need) => keys.get(need) ?? ''),
      machine: [process.version, process.platform, process.arch],
    };
    keys.set(check, createHash('sha256').update(canonicalJson(content)).digest('hex'));
  }
  return keys;
}

async function usable(spec: CheckSpec, key: string, app: string, { force, store, now, place }: AppContext): Promise<Evidence | null> {
  if (force || spec.reuseMs === 0 || (spec.setup && place === 'checkout')) return null;
  const evidence = await fileEvidence(join(store, 'evidence')).find(app, spec.check, key);
  return evidence === null || (spec.reuseMs !== null && now() - evidence.outcome.at > spec.reuseMs) ? null : evidence;
}

/**
 * Checks that have to run: those without evidence, what they need where the tree is fresh, and setups only for others.
 * Reports that somebody else makes are looked at again in the workspace, where they may be newer.
 */
function toRun(specs: readonly CheckSpec[], found: ReadonlyMap<string, Evidence>, place: Context['place']): Set<string> {
  const running = new Set(
    specs
      .filter((spec) => (!found.has(spec.check) && !spec.setup) || (spec.command === null && place === 'workspace'))
      .map((spec) => spec.check),
  );
  for (const spec of specs.toReversed()) {
    if (!running.has(spec.check)) continue;
    for (const need of spec.needs) if (place === 'checkout' || !found.has(need)) running.add(need);
  }
  return running;
}

function notRun(check: string, because: string, at: number): CheckOutcome {
  const message = because === check ? 'Not run: the run was stopped.' : `Not run: ${because} did not pass.`;
  return { check, result: 'skipped', reused: false, message, exitCode: null, ms: 0, log: null, lastLines: [], at };
}

function notNeeded(check: string, at: number): CheckOutcome {
  const message = 'Not run: nothing that needs it had to be run.';
  return { check, result: 'passed', reused: true, message, exitCode: null, ms: 0, log: null, lastLines: [], at };
}

function missing(spec: CheckSpec, message: string): ReadReport[] {
  return spec.reports.map(({ format, path }) => ({
    format,
    name: path,
    check: spec.check,
    problem: { kind: 'missing', message: `${message}.` },
  }));
}
