import { mkdir, open, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { ReadReport, ReportProblem } from '../../core/gates/contents.ts';
import type { CheckOutcome } from '../../core/gates/report.ts';
import type { CheckSpec, ReportSpec } from '../../core/gates/specs.ts';
import type { CommandEnd } from './command.ts';
import { runCommand } from './command.ts';
import type { EvidenceStore, ReportFile } from './evidence.ts';
import type { Reading, ReadingContext } from './reports.ts';
import { readReports, reportFiles, stampsOf } from './reports.ts';
import type { Watchdog } from './watchdog.ts';

/** A check that was run, or whose evidence was found, with what its reports say. */
export interface Checked {
  readonly outcome: CheckOutcome;
  readonly reports: readonly ReadReport[];
}

export interface RunContext {
  readonly app: string;
  readonly appPath: string;
  /** Root of the tree to run in. */
  readonly root: string;
  readonly key: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly evidence: EvidenceStore;
  readonly watchdog: Watchdog;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** What readers need, for the reports of one check. */
  readonly reading: (spec: ReportSpec, isKept: boolean) => ReadingContext;
  /** Youngest of the app's sources, ms since epoch; null where the tree was written by us. */
  readonly sourcesAt: () => Promise<number | null>;
}

/** Lines of the output that an outcome shows. */
const LAST_LINES = 20;
/** How much of the end of the output is looked at for them, bytes. */
const TAIL = 32 * 1024;

/** Run a check's command, see that it wrote its reports, read them, and keep all that as evidence. */
export async function runCheck(spec: CheckSpec, command: readonly string[], context: RunContext): Promise<Checked> {
  const { root, appPath, app, signal, now } = context;
  const folder = join(root, appPath);
  const run = await context.evidence.begin(app, spec.check);
  const own = join(dirname(run.log), 'reports');
  await mkdir(own);
  const before = await filesOf(spec, folder, own);
  const stamps = await stampsOf(before.flatMap(({ files }) => files));
  const at = now();
  const began = performance.now();
  const end = await runCommand({
    argv: command.map((word) => word.replaceAll(REPORTS, own)),
    cwd: spec.folder === 'app' ? folder : root,
    env: commandEnvironment(spec, context, own),
    log: run.log,
    timeoutMs: spec.timeoutMs,
    signal,
    watchdog: context.watchdog,
  });
  const ms = Math.round(performance.now() - began);
  const after = await filesOf(spec, folder, own);
  const stampsAfter = await stampsOf(after.flatMap(({ files }) => files));
  const isOld = ({ file }: ReportFile): boolean => stamps.get(file) !== undefined && stamps.get(file) === stampsAfter.get(file);
  const readings = after.map(({ report, files }): Reading => {
    const old = files.find(isOld);
    const problem: ReportProblem | null =
      old === undefined ? null : { kind: 'stale', message: `${old.name} is as it was before ${spec.check} ran.` };
    return { spec: report, check: spec.check, files, problem, root, isFromElsewhere: false };
  });
  const reports = (await Promise.all(readings.map((one) => readReports(one, context.reading(one.spec, false))))).flat();
  const { result, message } = said(spec, command, end);
  const outcome: CheckOutcome = {
    check: spec.check,
    result,
    reused: false,
    message,
    exitCode: end.kind === 'exited' ? end.code : null,
    ms,
    log: run.log,
    lastLines: result === 'passed' ? [] : await lastLines(run.log),
    at,
  };
  // A run whose reports cannot count is kept to be looked at, and never found again.
  const counts = result === 'passed' && !reports.some((one) => 'problem' in one);
  const kept = await run.keep(counts ? context.key : `${context.key}!`, {
    outcome: counts ? outcome : { ...outcome, result: result === 'passed' ? 'failed' : result },
    root,
    reports: new Map(after.map(({ report, files }) => [report.path, files])),
  });
  if (kept.outcome.log !== null) await rm(join(dirname(kept.outcome.log), 'reports'), { recursive: true, force: true });
  return { outcome: { ...outcome, log: kept.outcome.log }, reports };
}

/** A check that runs nothing: reports that somebody else has made, as long as they are about these sources. */
export async function readCheck(spec: CheckSpec, context: RunContext): Promise<Checked> {
  const { root, appPath, now } = context;
  const listed = await filesOf(spec, join(root, appPath), null);
  const sourcesAt = await context.sourcesAt();
  const readings = await Promise.all(
    listed.map(async ({ report, files }): Promise<Reading> => {
      const problem = isQuestion(report) ? null : await staleness(files, report, sourcesAt, now());
      return { spec: report, check: spec.check, files, problem, root, isFromElsewhere: true };
    }),
  );
  const reports = (await Promise.all(readings.map((one) => readReports(one, context.reading(one.spec, false))))).flat();
  const bad = reports.filter((one) => 'problem' in one).length;
  const outcome: CheckOutcome = {
    check: spec.check,
    result: bad === 0 ? 'passed' : 'failed',
    reused: false,
    message: bad === 0 ? `Read ${count(reports.length)}.` : `${bad} of ${count(reports.length)} cannot count.`,
    exitCode: null,
    ms: 0,
    log: null,
    lastLines: [],
    at: now(),
  };
  if (bad > 0) return { outcome, reports };
  const run = await context.evidence.begin(context.app, spec.check);
  await run.keep(context.key, { outcome, root, reports: new Map(listed.map(({ report, files }) => [report.path, files])) });
  return { outcome, reports };
}

function count(reports: number): string {
  return reports === 1 ? '1 report' : `${reports} reports`;
}

/** A lock is no report that grows old: it is what a server is asked about. */
function isQuestion({ server, format }: ReportSpec): boolean {
  return server !== null && (format === 'npm-audit' || format === 'osv');
}

async function staleness(
  files: readonly ReportFile[],
  { maxAgeMs }: ReportSpec,
  sourcesAt: number | null,
  now: number,
): Promise<ReportProblem | null> {
  for (const { file, name } of files) {
    if (sourcesAt === null) return { kind: 'stale', message: `${name} is part of the commit, so nothing says that it is about it.` };
    const at = (await stat(file)).mtimeMs;
    if (at < sourcesAt) return { kind: 'stale', message: `${name} is older than the sources it should be about.` };
    if (now - at > maxAgeMs) return { kind: 'stale', message: `${name} is ${Math.round((now - at) / 60_000)} minutes old.` };
  }
  return null;
}

/** Stands for a fresh folder of the run, in commands, variables and paths of reports. */
const REPORTS = '{reports}';

async function filesOf({ reports }: CheckSpec, folder: string, own: string | null): Promise<{ report: ReportSpec; files: ReportFile[] }[]> {
  return Promise.all(
    reports.map(async (report) => {
      const isOwn = report.path.startsWith(`${REPORTS}/`);
      if (isOwn && own === null) return { report, files: [] };
      return {
        report,
        files: await (isOwn ? reportFiles(own ?? '', report.path.slice(REPORTS.length)) : reportFiles(folder, report.path)),
      };
    }),
  );
}

/** Programs that the app or the workspace has installed are found, as npm does it. */
function commandEnvironment(spec: CheckSpec, { environment, root, appPath }: RunContext, own: string): Record<string, string> {
  const installed = [join(root, appPath), root].map((folder) => join(folder, 'node_modules', '.bin'));
  const said = Object.entries(spec.env).map(([name, value]) => [name, value.replaceAll(REPORTS, own)]);
  return { ...environment, PATH: [...installed, environment['PATH'] ?? ''].join(delimiter), ...Object.fromEntries(said) };
}

function said(spec: CheckSpec, command: readonly string[], end: CommandEnd): Pick<CheckOutcome, 'result' | 'message'> {
  switch (end.kind) {
    case 'exited':
      if (end.code === 0) return { result: 'passed', message: 'Passed.' };
      return {
        result: 'failed',
        message: `${command.join(' ')} ended with ${end.signal === null ? `exit code ${end.code ?? ''}` : `signal ${end.signal}`}.`,
      };
    case 'notStarted':
      return { result: 'failed', message: `${command[0] ?? ''} could not be started (${end.error}): install it, or correct the command.` };
    case 'timedOut':
      return { result: 'timedOut', message: `Stopped after ${spec.timeoutMs / 1000} s.` };
    case 'aborted':
      return { result: 'aborted', message: 'Stopped because another check failed, or the run was cancelled.' };
  }
}

async function lastLines(log: string): Promise<string[]> {
  const file = await open(log, 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    const lines = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    return lines
      .slice(from === 0 ? 0 : 1)
      .filter((line, i, all) => i < all.length - 1 || line !== '')
      .slice(-LAST_LINES);
  } finally {
    await file.close();
  }
}
