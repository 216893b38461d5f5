import { addArms, NOTHING_COUNTED } from './arms.ts';
import { finalPhaseOf, mayYetPass, observeSample, phaseOf, startAnalysis, type JudgeState } from './judge.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { AnalysisPhase, Counts, Sample } from './sample.ts';
import { longerMs } from './sequential/state.ts';
import { simulate, type Scenario } from './simulate.ts';
import { isBlind } from './watching.ts';

/** One bake of a rollout. */
export interface PlayedBake {
  /** Share of requests to the candidate, 0…1. */
  readonly share: number;
  readonly seconds: number;
}

/** How a rollout ended. */
export interface Played {
  readonly phase: AnalysisPhase;
  /** The bake it ended in, from 0. */
  readonly bake: number;
  /** Since the first request of the candidate. */
  readonly afterMs: number;
  /** Candidate requests from the first one on. */
  readonly requests: number;
  /** What the judge knew last. */
  readonly judge: JudgeState;
}

/** Where the looks of a played rollout come from. Times in ms since it began. */
export interface Looks {
  /** A bake begins. `share`: of the requests, that the candidate is to get, 0…1. */
  begin(at: number, share: number): void;
  /** What is seen of (fromAt, at]. Asked for once, in the order of time. */
  look(fromAt: number, at: number): Sample;
}

/** A whole rollout on simulated traffic: see `playOn`. */
export function playRollout(policy: AnalysisPolicy, bakes: readonly PlayedBake[], scenario: Scenario, seed: number): Played {
  return playOn(policy, bakes, simulatedLooks(bakes, scenario, seed));
}

/**
 * A whole rollout as the runbook has it judged: bake after bake, with evidence carried on, the usual looks, a little longer where
 * the judge may yet pass, and as long again where the metrics are at fault. It ends with the first bake that does not end Successful.
 */
export function playOn(policy: AnalysisPolicy, bakes: readonly PlayedBake[], looks: Looks): Played {
  const rolloutMs = bakes.reduce((sum, { seconds }) => sum + seconds * 1000, 0);
  const player: Player = { policy, looks, at: 0, requests: 0 };
  let judge: JudgeState | null = null;
  let phase: AnalysisPhase = 'Successful';
  for (const [i, { share, seconds }] of bakes.entries()) {
    looks.begin(player.at, share);
    judge = startAnalysis(policy, player.at, { share, bakeMs: seconds * 1000, bakes: bakes.length, rolloutMs }, judge);
    ({ judge, phase } = bakeOf(player, judge, seconds * 1000));
    if (phase !== 'Successful' || i === bakes.length - 1) return { phase, bake: i, afterMs: player.at, requests: player.requests, judge };
  }
  throw new RangeError('a rollout without bakes has nothing to judge');
}

interface Player {
  readonly policy: AnalysisPolicy;
  readonly looks: Looks;
  at: number;
  requests: number;
}

function bakeOf(player: Player, begun: JudgeState, forMs: number): { judge: JudgeState; phase: AnalysisPhase } {
  const { policy } = player;
  const endsAt = player.at + forMs;
  let [judge, until] = [begun, endsAt];
  for (;;) {
    judge = lookOf(player, judge, Math.min(until, player.at + policy.intervalMs));
    const phase = phaseOf(policy, judge, player.at);
    if (phase === 'Failed' || phase === 'Error' || phase === 'Inconclusive') return { judge, phase };
    if (player.at < until) continue;
    const ended = finalPhaseOf(policy, judge, player.at);
    until = ended === 'Inconclusive' ? endsAt + moreMs(policy, judge, player.at, forMs) : endsAt;
    if (player.at >= until) return { judge, phase: ended };
  }
}

/** How much longer a bake lasts that is over and has shown nothing, ms. */
function moreMs(policy: AnalysisPolicy, judge: JudgeState, now: number, forMs: number): number {
  if (policy.onInconclusive === 'extend' || isBlind(policy, judge, now)) return forMs;
  return mayYetPass(policy, judge, now) ? longerMs(forMs) : 0;
}

function lookOf(player: Player, judge: JudgeState, until: number): JudgeState {
  const sample = player.looks.look(player.at, until);
  player.at = until;
  player.requests += sample.candidate?.requests ?? 0;
  return observeSample(player.policy, judge, sample);
}

const NO_COUNTS: Counts = { candidate: null, baseline: null };

function simulatedLooks(bakes: readonly PlayedBake[], scenario: Scenario, seed: number): Looks {
  let [now, share] = [0, 0];
  const seconds = bakes.reduce((sum, bake) => sum + bake.seconds + Math.max(bake.seconds, longerMs(bake.seconds * 1000) / 1000) + 1, 0);
  const traffic = simulate({ ...scenario, seconds }, seed, () => share);
  return {
    begin(_at, its) {
      share = its;
    },
    look(fromAt, at) {
      let counts: Counts = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED };
      for (; now < at; now += 1000) counts = addArms(counts, traffic.next().value ?? NO_COUNTS);
      return { fromAt, at, ...counts, error: null };
    },
  };
}
