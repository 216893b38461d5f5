import { canonicalJson } from '../text/canonical.ts';
import { evolve } from '../release/state/evolve.ts';
import type { ReleaseEvent } from '../release/state/events.ts';
import type { ReleaseState, RolloutAnalysis } from '../release/state/state.ts';
import { namedOf, policyOf, settingOf } from '../rollout/steps.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { AnalysisPhase, Sample, Verdict } from './sample.ts';
import type { AnalysisSetting } from './sequential/state.ts';

/** What is read of a recorded event. */
export interface Entry {
  readonly at: number;
  readonly data: ReleaseEvent;
}

/** One look of one analysis, and what the judge thought then. */
export interface Look {
  readonly at: number;
  readonly app: string;
  /** Null: the strategy's own analysis. */
  readonly analysis: string | null;
  readonly step: number;
  readonly sample: Sample;
  readonly verdict: Verdict;
}

/** A verdict of the record, and what the same events give now. */
export interface Replayed {
  readonly at: number;
  readonly app: string;
  readonly analysis: string | null;
  readonly phase: AnalysisPhase;
  readonly reason: string;
  readonly matches: boolean;
}

/** One bake as it was looked at: what another policy can be tried on. */
export interface RecordedBake {
  readonly app: string;
  readonly step: number;
  readonly startedAt: number;
  readonly setting: AnalysisSetting;
  readonly samples: readonly Sample[];
}

export interface Replay {
  readonly looks: readonly Look[];
  readonly verdicts: readonly Replayed[];
  /** Of the strategies' own analyses. */
  readonly bakes: readonly RecordedBake[];
}

/** A release's analyses once more, from its events alone. */
export function replayOf(events: readonly Entry[]): Replay {
  const looks: Look[] = [];
  const verdicts: Replayed[] = [];
  const bakes = new Map<string, RecordedBake>();
  let state: ReleaseState | null = null;
  for (const { data, at } of events) {
    if (state !== null && data.type === 'AnalysisCompleted') verdicts.push(recomputed(state, data, at));
    if (state !== null && data.type === 'SampleCollected') noteBake(bakes, state, data);
    state = evolve(state, data, at);
    if (data.type !== 'SampleCollected' || data.sample === null) continue;
    const now = analysisOf(state, data.app, data.analysis);
    if (now === null) continue;
    const verdict = verdictOf(now.policy, now.analysis.judge, at);
    const step = state.rollouts[data.app]?.step ?? 0;
    looks.push({ at, app: data.app, analysis: data.analysis ?? null, step, sample: data.sample, verdict });
  }
  return { looks, verdicts, bakes: [...bakes.values()] };
}

function analysisOf(
  state: ReleaseState,
  app: string,
  name: string | undefined,
): { policy: AnalysisPolicy; analysis: RolloutAnalysis } | null {
  const rollout = state.rollouts[app];
  if (rollout === undefined) return null;
  const policy = name === undefined ? policyOf(rollout) : namedOf(rollout).find((one) => one.name === name)?.policy;
  const analysis = name === undefined ? rollout.analysis : rollout.also?.[name];
  return policy === undefined || policy === null || analysis === undefined || analysis === null ? null : { policy, analysis };
}

/** The runbook decides on the verdict while a bake goes on, or on the final one; the record does not say which. */
function recomputed(state: ReleaseState, event: Extract<ReleaseEvent, { type: 'AnalysisCompleted' }>, at: number): Replayed {
  const { app, verdict, analysis: name } = event;
  const known = analysisOf(state, app, name);
  const recorded = canonicalJson(verdict);
  const matches =
    known !== null &&
    [
      verdictOf(known.policy, known.analysis.judge, at),
      finishAnalysis(known.policy, known.analysis.judge, known.analysis.seenUntil),
      // …or the final one by when it was recorded, as it was decided on once.
      finishAnalysis(known.policy, known.analysis.judge, at),
    ].some((decided) => canonicalJson(decided) === recorded);
  return { at, app, analysis: name ?? null, phase: verdict.phase, reason: verdict.reason, matches };
}

function noteBake(bakes: Map<string, RecordedBake>, state: ReleaseState, event: Extract<ReleaseEvent, { type: 'SampleCollected' }>): void {
  const rollout = state.rollouts[event.app];
  if (rollout === undefined || rollout.analysis === null || event.analysis !== undefined || event.sample === null) return;
  const { startedAt } = rollout.analysis;
  const key = `${event.app}/${startedAt}`;
  const known = bakes.get(key) ?? { app: event.app, step: rollout.step, startedAt, setting: settingOf(rollout, rollout.step), samples: [] };
  bakes.set(key, { ...known, samples: [...known.samples, event.sample] });
}

/** What a policy would have said of a recorded bake. */
export interface Tried {
  readonly app: string;
  readonly step: number;
  readonly phase: AnalysisPhase;
  readonly reason: string;
  /** From the bake's beginning to the verdict, ms. */
  readonly afterMs: number;
  /** Bad answers of the new version until then. */
  readonly badRequests: number;
}

export function tryPolicy(policy: AnalysisPolicy, bake: RecordedBake): Tried {
  let judge = startAnalysis(policy, bake.startedAt, bake.setting);
  let badRequests = 0;
  let at = bake.startedAt;
  for (const sample of bake.samples) {
    judge = observeSample(policy, judge, sample);
    badRequests += sample.candidate?.errors ?? 0;
    at = sample.at;
    const { phase, reason } = verdictOf(policy, judge, at);
    if (phase === 'Failed') return { app: bake.app, step: bake.step, phase, reason, afterMs: at - bake.startedAt, badRequests };
  }
  const { phase, reason } = finishAnalysis(policy, judge, at);
  return { app: bake.app, step: bake.step, phase, reason, afterMs: at - bake.startedAt, badRequests };
}
