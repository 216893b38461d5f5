import { logAddExp, logSumExp } from './numbers.ts';

/** Share of the stake kept back for regressions that begin later. */
export const HELD_BACK = 0.5;
/** …of that, where a rollout has several bakes, what is kept for the moments at which a larger share begins. */
const FOR_LARGER_SHARES = 0.1;
/** Length of the stretches at whose beginnings stake is given out and noise is measured, ms. */
export const BLOCK_MS = 10_000;

/**
 * How much log-evidence one alternative can gain follows over how many seconds it is spread: what is gained counts as
 * used, and comes free again at a pace. One burst, one pause of a garbage collector or one retry storm is then not enough,
 * whatever it looks like. It only lowers evidence. In nats.
 */
export interface Pace {
  readonly aSecond: number;
  /** As much in one look at least, however short… */
  readonly atOnce: number;
  /** …and as much at most, however long. */
  readonly atMost: number;
}

/** The most is below ln 200: half of the stake, multiplied so in every test at once, is still less than 100. Twice as fast failed one good version of 15 with clumped errors. */
export const PACE: Pace = { aSecond: 0.45, atOnce: 4, atMost: 4 };
/** Of failures so many that they are told from a burst by their share: one look of a few seconds is enough. */
export const FAILURE_PACE: Pace = { aSecond: 3, atOnce: 5, atMost: 30 };

/** How long one look lasted, and how long it has been since the end of the one before it, ms. */
export interface Lasted {
  readonly lookMs: number;
  readonly sinceMs: number;
}

/** Evidence of one test that something is worse, by alternative. Logs. */
export interface FailProcess {
  readonly log: readonly number[];
  /** Gained of late, as far as it has not come free again. */
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

/** Logs below this are refuted for good: what stands behind their point tells nothing more, and takes room in the stored state. */
const REFUTED_FOR_GOOD = -10_000;

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

/** One more piece of evidence. `release`: stake given out before it. */
export function addToFail(process: FailProcess, evidence: readonly number[], release: number, lasted: Lasted, pace = PACE): FailProcess {
  const staked = release > 0 ? Math.log(release) : -Infinity;
  const freed = thousandths((pace.aSecond * lasted.sinceMs) / 1000);
  const most = Math.min(Math.max(pace.atOnce, (pace.aSecond * lasted.lookMs) / 1000), pace.atMost);
  // Copies, not new lists: of a list without holes the engine reads plain numbers, of any other boxed ones.
  const log = process.log.slice();
  const gain = process.gain.slice();
  for (let g = 0; g < log.length; g++) {
    const used = thousandths(Math.max(0, (gain[g] as number) - freed));
    const allowed = Math.min(of(evidence, g), Math.max(0, most - used));
    const next = logAddExp(log[g] as number, staked) + allowed;
    log[g] = next < REFUTED_FOR_GOOD ? Math.floor(next) : shortened(next);
    gain[g] = thousandths(Math.max(0, used + allowed));
  }
  return { log, gain };
}

/** Rounded down, which is no more than was shown, and short to store. */
function shortened(log: number): number {
  return Math.floor(log * 1e8 + 1e-3) / 1e8;
}

/** Exact enough for a bound, and short to store. */
function thousandths(nats: number): number {
  return Math.round(nats * 1000) / 1000;
}

export function addToPass(process: PassProcess, evidence: readonly number[], at: number, needed: number): PassProcess {
  const log = process.log.slice();
  for (let g = 0; g < log.length; g++) log[g] = shortened((log[g] as number) + of(evidence, g));
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

/** How far a rollout has come, for what of the stake should be out. */
export interface Progress {
  /** Of bakes, up to the beginning of the next stretch, and planned in all, ms. */
  readonly bakedMs: number;
  readonly ofMs: number;
  /** Bakes begun, and planned in all. */
  readonly bake: number;
  readonly bakes: number;
}

/**
 * Stake that should be out: evenly over what is planned, which is a mixture over the times at which a regression may begin;
 * and a part as each larger share begins, for that is when one begins that only load brings out.
 */
export function releasedBy({ bakedMs, ofMs, bake, bakes }: Progress): number {
  const later = bakes > 1 ? FOR_LARGER_SHARES : 0;
  const even = (HELD_BACK - later) * Math.min(1, Math.max(0, (bakedMs + BLOCK_MS) / Math.max(ofMs, BLOCK_MS)));
  return even + (bakes > 1 ? (later * Math.min(bake - 1, bakes - 1)) / (bakes - 1) : 0);
}
