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

/** Odds against what was shown before, from what came afterwards, at which it no longer counts. */
const REFUTED = Math.log(100);

export function startFail(alternatives: number): FailProcess {
  return { log: new Array<number>(alternatives).fill(Math.log(1 - HELD_BACK)), gain: new Array<number>(alternatives).fill(0) };
}

/** `stakes`: what is bet on each alternative, together 1. */
export function startPass(stakes: readonly number[]): PassProcess {
  return { log: stakes.map(Math.log), crossedAt: null, crossedWith: 0 };
}

/** One more piece of evidence. `release`: stake given out before it; `fresh`: a new capped block begins with it. */
export function addToFail(process: FailProcess, evidence: readonly number[], release: number, fresh: boolean): FailProcess {
  const staked = release > 0 ? Math.log(release) : -Infinity;
  const log = new Array<number>(process.log.length);
  const gain = new Array<number>(process.log.length);
  for (let g = 0; g < log.length; g++) {
    const gained = fresh ? 0 : (process.gain[g] ?? 0);
    const allowed = Math.min(evidence[g] ?? 0, Math.max(0, CAP - gained));
    log[g] = logAddExp(process.log[g] ?? 0, staked) + allowed;
    gain[g] = gained + allowed;
  }
  return { log, gain };
}

export function addToPass(process: PassProcess, evidence: readonly number[], at: number, needed: number): PassProcess {
  const next = { ...process, log: process.log.map((log, g) => log + (evidence[g] ?? 0)) };
  return next.crossedAt === null && passEvidence(next) >= needed ? { ...next, crossedAt: at, crossedWith: goingOn(next) } : next;
}

/** Log-evidence of the test, what is still `held` back counting as 1. `logStakes`: logs of what is bet on each alternative, all alike where not told. */
export function failEvidence(process: FailProcess, held: number, logStakes: readonly number[] | null = null): number {
  const kept = held > 0 ? Math.log(held) : -Infinity;
  const logs = new Array<number>(process.log.length);
  for (let g = 0; g < logs.length; g++) logs[g] = logAddExp(process.log[g] ?? 0, kept) + (logStakes?.[g] ?? 0);
  return logStakes === null ? logSumExp(logs) - Math.log(logs.length) : logSumExp(logs);
}

export function passEvidence(process: PassProcess): number {
  return logSumExp(process.log);
}

/** Had enough once, and what came afterwards does not say the contrary. */
export function hasCrossed(process: PassProcess): boolean {
  return process.crossedAt !== null && goingOn(process) >= process.crossedWith - REFUTED;
}

/** The first bet ends when it is won; the others are made to the end. */
function goingOn(process: PassProcess): number {
  return logSumExp(process.log.slice(1));
}

/** Alternative with the most evidence. */
export function strongest(process: FailProcess): number {
  return process.log.reduce((best, log, g) => (log > (process.log[best] ?? -Infinity) ? g : best), 0);
}

/** Stake that should be out once a capped block that begins `elapsedMs` into the bake starts. */
export function releasedBy(elapsedMs: number, bakeMs: number): number {
  return HELD_BACK * Math.min(1, Math.max(0, (elapsedMs + BLOCK_MS) / Math.max(bakeMs, BLOCK_MS)));
}
