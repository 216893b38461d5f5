import { addCounts, NOTHING_COUNTED } from './arms.ts';
import { finalPhaseOf, mayYetPass, observeSample, phaseOf, startAnalysis, type JudgeState } from './judge.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { AnalysisPhase, ArmCounts } from './sample.ts';
import { longerMs } from './sequential/state.ts';
import { simulate, type Scenario } from './simulate.ts';

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

/**
 * A whole rollout on simulated traffic, as the runbook has it judged: bake after bake, with evidence carried on, the usual looks,
 * and a little longer where the judge may yet pass. It ends with the first bake that does not end Successful.
 */
export function playRollout(policy: AnalysisPolicy, bakes: readonly PlayedBake[], scenario: Scenario, seed: number): Played {
  const player = new Player(policy, bakes, scenario, seed);
  const rolloutMs = bakes.reduce((sum, { seconds }) => sum + seconds * 1000, 0);
  let judge: JudgeState | null = null;
  let phase: AnalysisPhase = 'Successful';
  for (const [i, { share, seconds }] of bakes.entries()) {
    player.share = share;
    judge = startAnalysis(policy, player.at, { share, bakeMs: seconds * 1000, bakes: bakes.length, rolloutMs }, judge);
    ({ judge, phase } = player.bake(judge, seconds * 1000));
    if (phase !== 'Successful' || i === bakes.length - 1) return { phase, bake: i, afterMs: player.at, requests: player.requests, judge };
  }
  throw new RangeError('a rollout without bakes has nothing to judge');
}

class Player {
  share = 0;
  at = 0;
  requests = 0;
  readonly #policy: AnalysisPolicy;
  readonly #traffic: ReturnType<typeof simulate>;

  constructor(policy: AnalysisPolicy, bakes: readonly PlayedBake[], scenario: Scenario, seed: number) {
    this.#policy = policy;
    const seconds = bakes.reduce((sum, bake) => sum + bake.seconds + longerMs(bake.seconds * 1000) / 1000 + 1, 0);
    this.#traffic = simulate({ ...scenario, seconds }, seed, () => this.share);
  }

  bake(begun: JudgeState, forMs: number): { judge: JudgeState; phase: AnalysisPhase } {
    const policy = this.#policy;
    const endsAt = this.at + forMs;
    const latest = endsAt + longerMs(forMs);
    let judge = begun;
    for (;;) {
      const until = this.at < endsAt ? endsAt : latest;
      judge = this.#look(judge, Math.min(until, this.at + policy.intervalMs));
      const phase = phaseOf(policy, judge, this.at);
      if (phase === 'Failed' || phase === 'Error' || phase === 'Inconclusive') return { judge, phase };
      if (this.at < endsAt) continue;
      const ended = finalPhaseOf(policy, judge, this.at);
      if (ended !== 'Inconclusive' || this.at >= latest || !mayYetPass(policy, judge, this.at)) return { judge, phase: ended };
    }
  }

  #look(judge: JudgeState, until: number): JudgeState {
    const fromAt = this.at;
    let arms: { candidate: ArmCounts; baseline: ArmCounts } = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED };
    while (this.at < until) {
      const { value } = this.#traffic.next();
      arms = {
        candidate: addCounts(arms.candidate, value?.candidate ?? NOTHING_COUNTED),
        baseline: addCounts(arms.baseline, value?.baseline ?? NOTHING_COUNTED),
      };
      this.at += 1000;
    }
    this.requests += arms.candidate.requests;
    return observeSample(this.#policy, judge, { fromAt, at: this.at, ...arms, error: null });
  }
}
