import { randomBytes } from 'node:crypto';
import { closedText } from '../core/access/window.ts';
import { UserError } from '../core/errors.ts';
import { refusal } from '../core/release/state/commands.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import { isIntact, type Plan } from '../core/release/plan/plan.ts';
import { holdOn } from '../core/release/state/holds.ts';
import type { EnvironmentEvent } from '../core/release/state/readmodels.ts';
import type { Command } from './face.ts';
import { append, type NewEvents } from './log/log.ts';
import type { Database } from './postgres/database.ts';
import type { Sql } from './postgres/connection.ts';
import { enqueue, lockReservations, rejectedBy } from './reservations.ts';
import { streamOf } from './states.ts';
import { lockApp, project, projectEnvironment } from './store.ts';
import type { TurnTools } from './turn.ts';

/** What people ask for: checked against the present moment, and appended. */
export interface Asking extends TurnTools {
  readonly database: Database;
  holder(): string;
}

export interface RequestOptions {
  readonly by: string;
  readonly retryOf?: string;
  readonly liftHold?: boolean;
}

/** @returns the id of the new release */
export async function requestRelease(tools: Asking, plan: Plan, options: RequestOptions): Promise<string> {
  if (!isIntact(plan)) throw new UserError('PLAN_STALE', 'This plan is not what its hash says.', 'Make the plan again.');
  const at = tools.now();
  refuseClosed(plan, at);
  const release = newId(at);
  await tools.database.transaction(async (sql) => {
    await lockReservations(sql, plan.environment);
    await refuseRejected(sql, plan);
    const lifted = await liftHolds(sql, plan, options);
    for (const event of lifted) await projectEnvironment(sql, plan.environment, event);
    const event: ReleaseEvent = { type: 'ReleaseRequested', release, plan, by: options.by, retryOf: options.retryOf ?? null };
    const batches: NewEvents[] = [
      ...(lifted.length === 0 ? [] : [{ stream: `environment/${plan.environment}`, events: lifted }]),
      { stream: streamOf(release), events: [event] },
    ];
    await sql.query('INSERT INTO sluice.active (release, wake_at) VALUES ($1, 0)', [release]);
    const position = await append(sql, { at, origin: tools.holder(), batches, versions: new Map([[streamOf(release), 0]]) });
    const state = tools.runbook.evolve(null, event, at);
    await project(sql, [{ event, state }], at, position);
    const apps = plan.apps.map(({ app }) => app);
    // One that waits for people first stands in nobody's way.
    if (state.stage === 'queued') await enqueue(sql, release, plan.environment, position, apps);
  });
  return release;
}

/** A window that nothing waits for; others let a release wait (`scheduled`). */
function refuseClosed({ environment, window }: Plan, at: number): void {
  const closed = window === undefined || window.waitMs > 0 ? null : closedText(window, at);
  if (closed === null) return;
  throw new UserError(
    'WINDOW_CLOSED',
    `${environment} takes no releases now: ${closed}.`,
    'Deploy then. In an emergency: `--break-glass "why"`, and one other person agrees.',
  );
}

async function refuseRejected(sql: Sql, plan: Plan): Promise<void> {
  const rejected = await rejectedBy(sql, plan.environment, plan.apps);
  if (rejected === null) return;
  const { app, holder } = rejected;
  throw new UserError(
    'RELEASE_REJECTED',
    `${app} is busy with release ${holder}, and its concurrency is "reject".`,
    `Wait until it is over (\`sluice status -w ${holder}\`), or abort it.`,
  );
}

/** A version that was rolled back comes again only when somebody says so. */
async function liftHolds(sql: Sql, plan: Plan, options: RequestOptions): Promise<EnvironmentEvent[]> {
  if (plan.kind !== 'deploy') return [];
  const lifted: EnvironmentEvent[] = [];
  for (const planned of plan.apps) {
    const { app } = planned;
    const hold = holdOn((await lockApp(sql, plan.environment, app))?.held ?? [], planned);
    if (hold === null) continue;
    if (options.liftHold !== true) {
      throw new UserError(
        'VERSION_HELD',
        `${app} ${hold.version} was rejected by release ${hold.release}: ${hold.reason}`,
        'Deploy a correction, or lift the hold to deploy it all the same.',
      );
    }
    lifted.push({ type: 'HoldLifted', app, version: hold.version, by: options.by });
  }
  return lifted;
}

export async function commandRelease(tools: Asking, release: string, command: Command): Promise<void> {
  const event = eventOf(command);
  await tools.database.transaction(async (sql) => {
    await sql.query('SELECT 1 FROM sluice.active WHERE release = $1 FOR UPDATE', [release]);
    const folded = await tools.states.load(sql, release);
    if (folded === null) throw new UserError('RELEASE_UNKNOWN', `There is no release ${release}.`, '`sluice status` lists the releases.');
    const at = tools.now();
    const refused = refusal(folded.state, event, at);
    if (refused !== null) throw new UserError(refused.code, refused.message, refused.hint);
    await project(sql, [{ event, state: tools.runbook.evolve(folded.state, event, at) }], at);
    await sql.query('UPDATE sluice.active SET wake_at = 0 WHERE release = $1', [release]);
    const stream = streamOf(release);
    await append(sql, {
      at,
      origin: tools.holder(),
      batches: [{ stream, events: [event] }],
      versions: new Map([[stream, folded.version]]),
    });
  });
}

function eventOf(command: Command): ReleaseEvent {
  switch (command.kind) {
    case 'promote':
      return { type: 'PromoteRequested', by: command.by, full: command.full, app: command.app ?? null };
    case 'pause':
      return { type: 'PauseRequested', by: command.by, reason: command.reason ?? null };
    case 'resume':
      return { type: 'ResumeRequested', by: command.by };
    case 'approve':
      return { type: 'ApprovalGiven', by: command.by, planHash: command.planHash, note: command.note ?? null };
    case 'reject':
      return { type: 'ApprovalRejected', by: command.by, reason: command.reason };
    case 'abort':
      return { type: 'AbortRequested', by: command.by, reason: command.reason ?? null };
  }
}

export async function liftHold(tools: Asking, environment: string, app: string, version: string, by: string): Promise<void> {
  await tools.database.transaction(async (sql) => {
    const known = await lockApp(sql, environment, app);
    if (known?.held.some((held) => held.version === version) !== true) {
      throw new UserError(
        'NOT_HELD',
        `${app} has no version ${version} that is held in ${environment}.`,
        '`sluice status` shows what is held.',
      );
    }
    const event: EnvironmentEvent = { type: 'HoldLifted', app, version, by };
    await projectEnvironment(sql, environment, event);
    await append(sql, { at: tools.now(), origin: tools.holder(), batches: [{ stream: `environment/${environment}`, events: [event] }] });
  });
}

/** Sorts by time, short enough to read out: base 36 of milliseconds and chance. */
function newId(at: number): string {
  const chance = (randomBytes(4).readUInt32BE() % 36 ** 5).toString(36).padStart(5, '0');
  return `r${at.toString(36)}${chance}`;
}
