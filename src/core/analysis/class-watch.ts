import type { ArmsRead } from './arms.ts';
import {
  addToClasses,
  beyondLine,
  CLASS_ALTERNATIVES,
  CLASS_PASS,
  classEvidence,
  classesDiffer,
  classOf,
  COMPARED,
  NO_CLASSES,
  refusesAll,
  type ClassTotals,
} from './classes.ts';
import type { Recent } from './recent.ts';
import { stretchesOf } from './recent.ts';
import type { ArmCounts } from './sample.ts';
import { logAddExp, logSumExp } from './sequential/numbers.ts';

/** What a judge of single metrics keeps of the status classes beside them. Plain JSON. */
export interface ClassWatch {
  readonly candidate: ClassTotals;
  readonly baseline: ClassTotals;
  /** Log-evidence of each alternative. */
  readonly log: readonly number[];
}

export const NO_CLASS_WATCH: ClassWatch = {
  candidate: NO_CLASSES,
  baseline: NO_CLASSES,
  log: new Array<number>(CLASS_ALTERNATIVES).fill(0),
};

/** Most that one look can say, nats: a burst of one client is then not enough. */
const LOOK_NATS = 6.5;
/** Evidence at which a class counts as more frequent: so much comes of a version that is no worse once in a thousand releases. */
const NEEDED = Math.log(1000);
/** Stake on a change that begins with the next look: what was well for long is found to be so no longer. */
export const STAKE_LATER = 1 / 300;
const LEAST_REQUESTS = 20;
/** Log likelihood ratio from which the newest requests speak against passing. */
const UNCLEAN = 4;

/** After one more block. */
export function watchClasses(watch: ClassWatch, arms: ArmsRead): ClassWatch {
  const evidence = classEvidence(arms, watch.baseline);
  return {
    candidate: addToClasses(watch.candidate, arms.candidate),
    baseline: addToClasses(watch.baseline, arms.baseline),
    log: watch.log.map((log, g) => logAddExp(log, Math.log(STAKE_LATER)) + Math.min(LOOK_NATS, evidence[g] ?? 0)),
  };
}

/** In one sentence what of the classes is worse, or null when nothing surely is. */
export function worseClass({ candidate, baseline, log }: ClassWatch): string | null {
  if (candidate.n < LEAST_REQUESTS || logSumExp(log) - Math.log(log.length) < NEEDED) return null;
  const best = log.reduce((found, one, g) => (one > (log[found] ?? -Infinity) ? g : found), 0);
  return classesDiffer(classOf(best), candidate, baseline);
}

/** Why the classes of the newest requests speak against passing, in one sentence; null: they do not. Nothing older makes up for them. */
export function uncleanClass(watch: ClassWatch, recent: Recent): string | null {
  if (watch.candidate.n === 0) return null;
  for (const { candidate, baseline } of stretchesOf(recent)) {
    const [mine, theirs] = [totalsOf(candidate), totalsOf(baseline)];
    if (candidate.requests > 0 && mine === null)
      return 'the source has stopped telling the status classes of the new version, so nothing says what it answers now';
    if (mine === null) continue;
    if (baseline.requests === 0 && refusesAll(mine))
      return 'next to all answers of the new version are 4xx, so it cannot be shown to be well';
    for (const [i, name] of COMPARED.entries()) {
      const hits = (totals: ClassTotals | null) => ({ n: totals?.n ?? 0, k: totals?.of[i] ?? 0 });
      if (beyondLine(CLASS_PASS, hits(mine), hits(theirs)) >= UNCLEAN)
        return `in what came last ${classesDiffer(name, mine, theirs ?? NO_CLASSES)}`;
    }
  }
  return null;
}

/** Null: the source did not tell the classes of all of them, or there were none. */
function totalsOf({ requests, classes }: ArmCounts): ClassTotals | null {
  return classes === undefined ? null : { n: requests, of: COMPARED.map((name) => classes[name] ?? 0) };
}
