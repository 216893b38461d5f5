import { logAddExp, logSumExp } from './numbers.ts';

/** Share of the stake kept back for regressions that begin later; released evenly over the planned bake. */
export const HELD_BACK = 0.5;
/** Length of one capped block, ms. */
export const BLOCK_MS = 10_000;
/**
 * Most log-evidence one alternative can gain in one capped block: one burst, one pause of a garbage
 * collector or one retry storm is then not enough, whatever it looks like. It only lowers evidence.
 */
const CAP = 4;

/** Evidence of one test that something is worse, by alternative. Logs. */
export interface FailProcess {
  readonly log: readonly number[];
  /** Gained in the present capped block. */
  readonly gain: readonly number[];
}

/** Evidence of one test that all is within the margin, by alternative. Logs. */
export interface PassProcess {
  readonly log: readonly number[];
  /** When it first was enough. */
  readonly crossedAt: number | null;
  /** What the bets that go on had then. */
  readonly crossedWith: number;
}

/** More than what rounding adds to a sum of logs. */
const ROUNDING = 1e-6;

/** Odds against what was shown before, from what came afterwards, at which it no longer counts. */
const REFUTED = Math.log(100);

export function startFail(alternatives: number): FailProcess {
  const log: number[] = [];
  const gain: number[] = [];
  for (let g = 0; g < alternatives; g++) {
    log.push(Math.log(1 - HELD_BACK));
    gain.push(0);
  }
  return { log, gain };
}

/** `stakes`: what is bet on each alternative, together 1. */
export function startPass(stakes: readonly number[]): PassProcess {
  return { log: Array.from(stakes, Math.log), crossedAt: null, crossedWith: 0 };
}

/** One more piece of evidence. `release`: stake given out before it; `fresh`: a new capped block begins with it. */
export function addToFail(process: FailProcess, evidence: readonly number[], release: number, fresh: boolean): FailProcess {
  const staked = release > 0 ? Math.log(release) : -Infinity;
  // Copies, not new lists: of a list without holes the engine reads plain numbers, of any other boxed ones.
  const log = process.log.slice();
  const gain = process.gain.slice();
  for (let g = 0; g < log.length; g++) {
    const gained = fresh ? 0 : (gain[g] as number);
    const allowed = Math.min(of(evidence, g), Math.max(0, CAP - gained));
    log[g] = logAddExp(log[g] as number, staked) + allowed;
    gain[g] = gained + allowed;
  }
  return { log, gain };
}

export function addToPass(process: PassProcess, evidence: readonly number[], at: number, needed: number): PassProcess {
  const log = process.log.slice();
  for (let g = 0; g < log.length; g++) log[g] = (log[g] as number) + of(evidence, g);
  const { crossedAt, crossedWith } = process;
  if (crossedAt !== null || !mayReach(log, needed) || logSumExp(log) < needed) return { log, crossedAt, crossedWith };
  return { log, crossedAt: at, crossedWith: goingOn({ log }) };
}

/** Evidence of one alternative; none of one that a state begun by another version has and this one does not. */
function of(evidence: readonly number[], g: number): number {
  return g < evidence.length ? (evidence[g] as number) : 0;
}

/** Whether their sum may be as much: told by the largest alone, which spares most looks the sum. */
function mayReach(logs: readonly number[], needed: number): boolean {
  let most = -Infinity;
  for (let g = 0; g < logs.length; g++) if ((logs[g] as number) > most) most = logs[g] as number;
  return most + Math.log(logs.length) + ROUNDING >= needed;
}

/** Log-evidence of the test, what is still `held` back counting as 1. `logStakes`: logs of what is bet on each alternative, all alike where not told. */
export function failEvidence(process: FailProcess, held: number, logStakes: readonly number[] | null = null): number {
  const kept = held > 0 ? Math.log(held) : -Infinity;
  const logs = process.log.slice();
  for (let g = 0; g < logs.length; g++) logs[g] = logAddExp(logs[g] as number, kept) + (logStakes === null ? 0 : (logStakes[g] as number));
  return logStakes === null ? logSumExp(logs) - Math.log(logs.length) : logSumExp(logs);
}

/**
 * Whether `failEvidence` may be as much, whatever the stakes (together 1) are: it is no more than what the best alternative
 * has with all that is held back. Told by comparing, where the evidence itself takes a hundred exponentials and logarithms.
 */
export function mayFail(process: FailProcess, held: number, needed: number): boolean {
  const kept = held > 0 ? Math.log(held) : -Infinity;
  let most = kept;
  for (let g = 0; g < process.log.length; g++) if ((process.log[g] as number) > most) most = process.log[g] as number;
  return most + Math.LN2 + ROUNDING >= needed;
}

export function passEvidence(process: PassProcess): number {
  return logSumExp(process.log);
}

/** Had enough once, and what came afterwards does not say the contrary. */
export function hasCrossed(process: PassProcess): boolean {
  return process.crossedAt !== null && goingOn(process) >= process.crossedWith - REFUTED;
}

/** The first bet ends when it is won; the others are made to the end. */
function goingOn({ log }: Pick<PassProcess, 'log'>): number {
  return logSumExp(log, 1);
}

/** Alternative with the most evidence. */
export function strongest(process: FailProcess): number {
  return process.log.reduce((best, log, g) => (log > (process.log[best] ?? -Infinity) ? g : best), 0);
}

/** Stake that should be out once a capped block that begins `elapsedMs` into the bake starts. */
export function releasedBy(elapsedMs: number, bakeMs: number): number {
  return HELD_BACK * Math.min(1, Math.max(0, (elapsedMs + BLOCK_MS) / Math.max(bakeMs, BLOCK_MS)));
}
