import { OutsideError } from '../../core/errors.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import { publicUrl, type ReleaseReports, reportsOf } from '../../core/source-control/reports.ts';
import type { Engine, Recorded } from '../../engine/face.ts';
import { isOldest, newestPosition, pause, persistently, textOf } from './log-follower.ts';
import type { CodeHost } from '../../ports/source-control.ts';

/** The host of the repository, and what it is to be told. */
export interface ReportedHost {
  readonly host: CodeHost;
  readonly deployments: boolean;
  readonly checks: boolean;
  readonly comments: boolean;
  /** Where people follow a release; null: nowhere. */
  releaseUrl(release: string): string | null;
}

export interface HostReportsOptions {
  readonly engine: Engine;
  /** As the configuration says now; null: nobody is told. */
  host(): Promise<ReportedHost | null>;
  environmentUrl(environment: string): Promise<string | null>;
  warn(message: string): void;
  /** Time between two looks whether this control plane is the one that reports, ms (2,000). */
  readonly lookMs?: number;
  /** Time between two tries where the host does not answer, ms; grows with each (1,000). */
  readonly retryMs?: number;
}

const STREAM = 'host/reported';
const LONGEST_RETRY_MS = 60_000;
/** A host that has been away for longer is told how things stand at the release's next event. */
const TRIES = 12;

/** Up to where the log has been reported. */
interface Reported {
  readonly type: 'ReleasesReported';
  readonly position: number;
}

/**
 * Tells the host of the repository how releases stand, as they go on. What it is told is how a release stands when
 * it is told, and calls of the host converge: events may be reported twice, or several at once, and no release waits for it.
 */
export function startHostReports(options: HostReportsOptions): { stop(): Promise<void> } {
  const ending = new AbortController();
  const running = persistently(options, 'releases cannot be reported', ending.signal, () => run(options, ending.signal));
  return {
    async stop() {
      ending.abort();
      await running;
    },
  };
}

async function run(options: HostReportsOptions, signal: AbortSignal): Promise<void> {
  const { engine, lookMs = 2_000 } = options;
  // Of several control planes the oldest reports; the others go on from its last note when it is gone.
  while (!signal.aborted && !(await isOldest(engine))) await pause(lookMs, signal);
  if (signal.aborted) return;
  const noted = (await engine.recorded(STREAM)).at(-1)?.data as Reported | undefined;
  const after = noted?.position ?? (await newestPosition(engine));
  if (noted === undefined) await note(engine, after);
  const round = new AbortController();
  const both = AbortSignal.any([signal, round.signal]);
  const changed = new Set<string>();
  let [seen, wake] = [after, (): void => {}];
  const onEvent = ({ stream, position }: Recorded): void => {
    if (!stream.startsWith('release/')) return;
    seen = position;
    changed.add(stream.slice('release/'.length));
    wake();
  };
  both.addEventListener('abort', () => wake(), { once: true });
  const said = new Map<string, string>();
  const work = async (): Promise<void> => {
    while (!both.aborted) {
      if (changed.size === 0) {
        await new Promise<void>((resolve) => void (wake = resolve));
        continue;
      }
      const position = seen;
      const ids = [...changed];
      changed.clear();
      const told = await inTurn(ids, (id) => report(options, id, said, both));
      // Most events change nothing that is told; those need no note.
      if (told && !both.aborted) await note(engine, position);
    }
  };
  const working = persistently(options, 'it cannot be noted what was reported', both, work);
  try {
    await engine.follow({ after }, onEvent, both);
  } finally {
    round.abort();
    await working;
  }
}

async function inTurn(ids: readonly string[], act: (id: string) => Promise<boolean>): Promise<boolean> {
  let any = false;
  for (const id of ids) any = (await act(id)) || any;
  return any;
}

/** Whether there was anything to be told. Never throws. */
async function report(options: HostReportsOptions, id: string, said: Map<string, string>, signal: AbortSignal): Promise<boolean> {
  const { warn, retryMs = 1_000 } = options;
  for (let tries = 0; tries < TRIES && !signal.aborted; tries += 1) {
    try {
      const reported = await options.host();
      const state = reported === null ? null : await options.engine.release(id);
      if (reported === null || state === null) return false;
      const reports = await of(options, reported, state);
      const text = JSON.stringify(reports);
      if (reports === null || said.get(id) === text) return false;
      await tell(reported, reports);
      said.set(id, text);
      if (state.outcome !== null) forgetOldest(said);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (tries === 0) warn(`release ${id} cannot be reported: ${textOf(error)}`);
      // What the host refuses it refuses again.
      if (!(error instanceof OutsideError)) return false;
      await pause(Math.min(LONGEST_RETRY_MS, retryMs * 2 ** tries), signal);
    }
  }
  return false;
}

async function of(options: HostReportsOptions, reported: ReportedHost, state: ReleaseState): Promise<ReleaseReports | null> {
  const environmentUrl = publicUrl(await options.environmentUrl(state.plan.environment));
  return reportsOf(state, { environmentUrl, releaseUrl: reported.releaseUrl(state.id) });
}

async function tell({ host, deployments, checks, comments }: ReportedHost, reports: ReleaseReports): Promise<void> {
  if (deployments) await host.deployment(reports.deployment);
  if (checks) await host.check(reports.check);
  if (!comments) return;
  for (const change of await host.changesOf(reports.deployment.commit)) await host.comment({ change, ...reports.comment });
}

const REMEMBERED = 500;

function forgetOldest(said: Map<string, string>): void {
  for (const id of [...said.keys()].slice(0, Math.max(0, said.size - REMEMBERED))) said.delete(id);
}

function note(engine: Engine, position: number): Promise<void> {
  const reported: Reported = { type: 'ReleasesReported', position };
  return engine.record(STREAM, [reported]);
}
