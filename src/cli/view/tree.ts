import { verdictOf } from '../../core/analysis/judge.ts';
import type { Verdict } from '../../core/analysis/sample.ts';
import type { ReleaseState, RolloutState } from '../../core/release/state/state.ts';
import { candidateWeight, hasTraffic, policyOf, type RolloutStep, soakMs, stepsOf } from '../../core/rollout/steps.ts';
import { outcomeWords } from './lines.ts';
import { waitingForPerson } from './state.ts';
import type { Colour } from '../session/terminal.ts';
import { count, duration, plural } from './words.ts';
import type { Seen } from './counts.ts';
import { evidenceOf } from './evidence.ts';
import type { Marks } from './marks.ts';
import { stagesOf } from './stages.ts';
import { wrap } from './wrap.ts';

export interface TreeOptions {
  readonly now: number;
  readonly columns: number;
  /** Counts up for each painting, so that it is seen to be alive. */
  readonly tick: number;
  /** What was counted in the present step, by app. */
  readonly seen: ReadonlyMap<string, Seen>;
  readonly marks: Marks;
  readonly colour: (colour: Colour, text: string) => string;
  /** The outcome is told in another place. */
  readonly endsElsewhere?: boolean;
}

/** Width of a bar of weights in terminals at least this wide. */
const BARS: readonly (readonly [columns: number, width: number])[] = [
  [120, 40],
  [80, 20],
  [0, 10],
];

/** A release as it stands now, one block of lines that fit the width. Pure. */
export function treeOf(state: ReleaseState, options: TreeOptions): string[] {
  const { colour, now } = options;
  const elapsed = duration((state.endedAt ?? now) - state.requestedAt);
  const head = `${colour('bold', `${state.plan.kind === 'rollback' ? 'Rollback' : 'Release'} ${state.id}`)} to ${colour('bold', state.plan.environment)}  ${colour('dim', elapsed)}`;
  const width = Math.max(...Object.keys(state.rollouts).map((app) => app.length));
  const lines = [
    head,
    ...headline(state, options),
    ...stagesOf(state, options),
    ...Object.values(state.rollouts).flatMap((rollout) => branch(state, rollout, width, options)),
    ...evidence(state, options),
    ...asks(state, options),
  ];
  return lines.flatMap((line) => wrap(options.marks.plain(line), options.columns));
}

/** The evidence of the app that is looked at: of several the first in the plan's order. */
function evidence(state: ReleaseState, options: TreeOptions): string[] {
  const baking = state.outcome === null && state.stage === 'rolling' ? Object.values(state.rollouts).find(isBaking) : undefined;
  if (baking === undefined) return [];
  const { app, candidate } = baking;
  const seen = options.seen.get(app.app);
  const verdict = verdictNow(baking, options.now);
  if (seen === undefined || verdict === null || app.stable === null || candidate === null) return [];
  const names = { app: app.app, stable: app.stable.id, candidate: candidate.id };
  return ['', `  ${verdict.reason}`, '', ...evidenceOf(names, seen, verdict, options), ''];
}

function isBaking(rollout: RolloutState): boolean {
  return rollout.stage === 'stepping' && stepsOf(rollout)[rollout.step]?.kind === 'bake' && rollout.analysis !== null;
}

/** What the strategy's own analysis would say now. */
function verdictNow(rollout: RolloutState, now: number): Verdict | null {
  const policy = policyOf(rollout);
  return policy === null || rollout.analysis === null ? null : verdictOf(policy, rollout.analysis.judge, now);
}

function headline(state: ReleaseState, { colour, now, endsElsewhere }: TreeOptions): string[] {
  if (state.outcome !== null)
    return endsElsewhere
      ? []
      : [colour(state.outcome === 'Succeeded' ? 'green' : 'red', `${outcomeWords(state.outcome)}: ${state.reason}`)];
  if (state.cause !== null) return [colour('red', `Putting back: ${state.cause.message}`)];
  if (state.waitingFor !== null)
    return [
      colour(
        'yellow',
        `Waits for ${state.waitingFor.app}, held by release ${state.waitingFor.holder}, for ${duration(now - state.waitingFor.since)}`,
      ),
    ];
  return [];
}

function branch(state: ReleaseState, rollout: RolloutState, width: number, options: TreeOptions): string[] {
  const { colour } = options;
  const name = rollout.app.app.padEnd(width);
  const first = `${mark(rollout, options)} ${colour('bold', name)}  ${hasTraffic(rollout.app) ? `${bar(rollout, options)}  ` : ''}${activity(state, rollout, options)}`;
  const indent = ' '.repeat(width + 4);
  const second = rollout.stage === 'stepping' && stepsOf(rollout).length > 1 ? [`${indent}${colour('dim', wayOf(rollout))}`] : [];
  const reason =
    rollout.reason !== null && rollout.reason !== '' && rollout.phase !== 'Healthy'
      ? [`${indent}${rollout.phase === 'Degraded' ? colour('red', rollout.reason) : rollout.reason}`]
      : [];
  const trouble = troubleOf(state, rollout);
  return [first, ...second, ...reason, ...(trouble === null ? [] : [`${indent}${colour('yellow', trouble)}`])];
}

/** What does not work just now, and is tried again. */
function troubleOf(state: ReleaseState, rollout: RolloutState): string | null {
  const since = state.stage === 'restoring' || state.stage === 'finishing' ? state.stageSince : rollout.stageSince;
  if (state.outcome !== null) return null;
  const attempts = Object.entries(state.attempts).filter(
    ([key, attempt]) => key.startsWith(`${rollout.app.app}/`) && attempt.lastAt >= since,
  );
  const [latest] = attempts.map(([, attempt]) => attempt).toSorted((a, b) => b.lastAt - a.lastAt);
  return latest === undefined
    ? null
    : `failed ${latest.count === 1 ? 'once' : `${latest.count} times`}, tries again: ${latest.message} (${latest.code})`;
}

function mark(rollout: RolloutState, { colour, tick, marks }: TreeOptions): string {
  switch (rollout.phase) {
    case 'Pending':
      return colour('dim', marks.pending);
    case 'Progressing':
      return colour('blue', marks.progressing[tick % marks.progressing.length] ?? '');
    case 'Paused':
      return colour('yellow', marks.paused);
    case 'Healthy':
      return colour('green', marks.done);
    case 'Degraded':
      return colour('red', marks.failed);
  }
}

/** The new version's share of the traffic. */
function bar(rollout: RolloutState, { colour, columns, marks }: TreeOptions): string {
  const weight = candidateWeight(rollout);
  const width = BARS.find(([least]) => columns >= least)?.[1] ?? 10;
  const full = weight === 0 ? 0 : Math.max(1, Math.round((weight / 100) * width));
  return `${colour('green', marks.full.repeat(full))}${colour('dim', marks.empty.repeat(width - full))} ${`${weight} %`.padStart(5)}`;
}

function activity(state: ReleaseState, rollout: RolloutState, options: TreeOptions): string {
  const { now, colour } = options;
  const version = rollout.candidate === null ? '' : ` ${rollout.candidate.id}`;
  const since = colour('dim', ` ${duration(now - rollout.stageSince)}`);
  if (state.stage === 'restoring' && !['waiting', 'skipped', 'restored', 'failed'].includes(rollout.stage)) return `goes back${since}`;
  switch (rollout.stage) {
    case 'waiting':
      return colour('dim', waits(state, rollout));
    case 'building':
      return `builds${since}`;
    case 'stoppingOld':
      return `stops the old version${since}`;
    case 'deploying':
      return `starts${version}${since}`;
    case 'verifying':
      return `waits for${version} to be healthy${since}`;
    case 'smoking':
      return `smoke test of${version}${since}`;
    case 'stepping':
      return stepActivity(rollout, options);
    case 'soaking':
      return `fully out; the old version stays for ${left(rollout.stageSince + rollout.pausedMs + soakMs(rollout.app), now)}`;
    case 'ready':
      return Object.values(state.rollouts).every((other) => ['ready', 'skipped', 'done'].includes(other.stage))
        ? 'fully out and healthy'
        : 'fully out and healthy; waits for the others';
    case 'done':
      return `runs${version}`;
    case 'failed':
      return state.stage === 'restoring' ? `goes back${since}` : 'failed';
    case 'restored':
      return rollout.app.stable === null ? 'failed' : `back on ${rollout.app.stable.id}`;
    case 'skipped':
      return colour('dim', 'nothing to do');
  }
}

function waits(state: ReleaseState, rollout: RolloutState): string {
  const before = rollout.app.dependsOn.filter(
    (name) => !['soaking', 'ready', 'done', 'skipped'].includes(state.rollouts[name]?.stage ?? 'done'),
  );
  return before.length === 0 ? 'waits' : `waits for ${before.join(', ')}`;
}

function stepActivity(rollout: RolloutState, { now, seen }: TreeOptions): string {
  if (rollout.pause !== null) return `paused for ${duration(now - rollout.pause.since)}`;
  const step = stepsOf(rollout)[rollout.step];
  switch (step?.kind) {
    case 'weight':
      return `moves to ${step.weight} %`;
    case 'bake': {
      const counts = seen.get(rollout.app.app);
      const { requests, errors } = counts?.candidate ?? { requests: 0, errors: 0 };
      const counted = counts === undefined ? '' : ` · ${plural(requests, 'request')}, ${plural(errors, 'error')}`;
      return `looks, ${left(rollout.stepSince + rollout.pausedMs + step.forMs, now)} left${counted}`;
    }
    default:
      return 'goes on';
  }
}

function left(until: number, now: number): string {
  return duration(Math.max(0, until - now));
}

/** `✓ 5 %  ▸ 30 min  25 %  5 min  100 %` */
function wayOf(rollout: RolloutState): string {
  return stepsOf(rollout)
    .map((step, i) => `${i < rollout.step ? '✓ ' : i === rollout.step ? '▸ ' : ''}${stepWords(step)}`)
    .join('  ');
}

function stepWords(step: RolloutStep): string {
  switch (step.kind) {
    case 'weight':
      return `${count(step.weight)} %`;
    case 'bake':
      return duration(step.forMs);
    case 'pause':
      return step.forMs === null ? 'approval' : `pause ${duration(step.forMs)}`;
    case 'confirm':
      return 'approval';
  }
}

/** Each command on a line of its own: what is to be typed must not be cut off. */
function asks(state: ReleaseState, { colour, marks }: TreeOptions): string[] {
  return waitingForPerson(state).flatMap(({ app, message, commands }) => [
    colour('yellow', `${marks.ask} ${app === null ? '' : `${app}: `}${message}`),
    ...commands.map((one) => `    ${colour('bold', one)}`),
  ]);
}
