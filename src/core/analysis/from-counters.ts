import { failedIn } from './arms.ts';
import { isCount } from './histogram.ts';
import type { Counters, Reading } from './reading.ts';
import type { ArmCounts, Restart, Sample } from './sample.ts';

/**
 * What happened between two readings of an edge's counters, as one sample of (previous.at, current.at].
 *
 * Counters that started again (another epoch, or a value below the previous one) count from zero, so
 * what was served between the last reading and the restart is lost and nothing is counted twice. Those
 * that went down without another epoch are named in the sample (`restarted`): whether that was a restart
 * shows only in the looks after it (streams.ts). A
 * version the edge does not know (any more) has no counts: null. `baseline` null = there is none.
 */
export function sampleBetween(previous: Reading, current: Reading, candidate: string, baseline: string | null): Sample {
  const sample: Sample = {
    fromAt: previous.at,
    at: current.at,
    candidate: armBetween(previous, current, candidate),
    baseline: baseline === null ? null : armBetween(previous, current, baseline),
    error: null,
    ...restartsBetween(previous, current, { candidate, baseline }),
    ...strataBetween(previous, current, candidate, baseline),
  };
  const error = faultBetween(previous, current, candidate, baseline);
  return error === null ? sample : { ...sample, candidate: null, baseline: null, error };
}

function faultBetween(previous: Reading, current: Reading, candidate: string, baseline: string | null): string | null {
  const bad = [candidate, ...(baseline === null ? [] : [baseline])].find((id) => !isReadable(current.versions[id]));
  if (bad !== undefined) return `the edge's counters of version ${bad} are not numbers`;
  if (baseline === null || !isSame(current, candidate, baseline) || !isSame(previous, candidate, baseline)) return null;
  return `both versions have the same counters, each of them to the last request: the source does not tell ${candidate} from ${baseline}`;
}

/** Requests from which two versions do not have the same counters by chance, twice in a row. */
const LEAST_SAME = 100;

/** Both versions have the numbers of one, as where a selector does not name the version. */
function isSame({ versions }: Reading, candidate: string, baseline: string): boolean {
  const [mine, theirs] = [versions[candidate], versions[baseline]];
  if (mine === undefined || theirs === undefined) return false;
  const { requests, latency } = countsOf(mine);
  return (
    requests >= LEAST_SAME &&
    requests === countsOf(theirs).requests &&
    errorsOf(mine) === errorsOf(theirs) &&
    isEqual(latency, theirs.latency)
  );
}

function isEqual(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  return Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, count]) => b[key] === count);
}

/** The same by route, where the edge tells them apart; routes without a request are left out. */
function strataBetween(previous: Reading, current: Reading, candidate: string, baseline: string | null): Pick<Sample, 'strata'> {
  const mine = routesBetween(previous, current, candidate);
  const theirs = baseline === null ? {} : routesBetween(previous, current, baseline);
  const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])];
  if (names.length === 0) return {};
  return { strata: Object.fromEntries(names.map((name) => [name, { candidate: mine[name] ?? null, baseline: theirs[name] ?? null }])) };
}

function routesBetween(previous: Reading, current: Reading, version: string): Record<string, ArmCounts> {
  const before = previous.epoch === current.epoch ? (previous.versions[version]?.routes ?? {}) : {};
  const counted: Record<string, ArmCounts> = {};
  for (const [name, after] of Object.entries(current.versions[version]?.routes ?? {})) {
    const earlier = before[name] ?? {};
    const since = anyLower(earlier, after) ? after : minusEach(after, earlier);
    const classes = Object.fromEntries(Object.entries(since).filter(([, count]) => count > 0));
    const requests = Object.values(classes).reduce((sum, count) => sum + count, 0);
    if (requests > 0) counted[name] = { requests, errors: failedIn(classes), latency: {}, classes };
  }
  return counted;
}

function restartsBetween(
  previous: Reading,
  current: Reading,
  { candidate, baseline }: { readonly candidate: string; readonly baseline: string | null },
): Pick<Sample, 'restarted'> {
  const mine = restartOf(previous, current, candidate);
  const theirs = baseline === null ? null : restartOf(previous, current, baseline);
  if (mine === null && theirs === null) return {};
  return { restarted: { ...(mine === null ? {} : { candidate: mine }), ...(theirs === null ? {} : { baseline: theirs }) } };
}

function restartOf(previous: Reading, current: Reading, version: string): Restart | null {
  const [before, after] = [previous.versions[version], current.versions[version]];
  if (before === undefined || after === undefined || previous.epoch !== current.epoch || !wentDown(before, after)) return null;
  return { before: countsOf(before).requests, after: countsOf(after).requests };
}

function armBetween(previous: Reading, current: Reading, version: string): ArmCounts | null {
  const after = current.versions[version];
  if (after === undefined) return null;
  const before = previous.epoch === current.epoch ? previous.versions[version] : undefined;
  const counts = countsOf(before === undefined || wentDown(before, after) ? after : minus(after, before));
  return after.unknown === undefined ? counts : { ...counts, unknown: after.unknown };
}

/**
 * Only finished requests can be judged: answers by class where the edge has them, else its request count. What turned
 * out bad only now may have been counted as a request long ago; it stands for one of now all the same.
 */
function countsOf(counters: Counters): ArmCounts {
  const { requests, byClass, latency } = counters;
  const errors = errorsOf(counters);
  if (counters.errors !== undefined) return { requests: Math.max(requests, errors), errors, latency };
  if (Object.keys(byClass).length === 0) return { requests, errors, latency };
  const finished = Object.values(byClass).reduce((sum, count) => sum + count, 0);
  return { requests: finished, errors, latency, classes: Object.fromEntries(Object.entries(byClass).filter(([, count]) => count > 0)) };
}

export function errorsOf({ errors, byClass }: Counters): number {
  return errors ?? failedIn(byClass);
}

function minus(after: Counters, before: Counters): Counters {
  return {
    requests: after.requests - before.requests,
    ...(after.errors === undefined ? {} : { errors: after.errors - errorsOf(before) }),
    byClass: minusEach(after.byClass, before.byClass),
    latency: Object.fromEntries(Object.entries(minusEach(after.latency, before.latency)).filter(([, count]) => count > 0)),
  };
}

function minusEach(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([key, count]) => [key, count - (before[key] ?? 0)]));
}

/** One counter below its last value means the version's counters began anew, all of them. */
function wentDown(before: Counters, after: Counters): boolean {
  const isLower = after.errors === undefined ? anyLower(before.byClass, after.byClass) : after.errors < errorsOf(before);
  return isLower || after.requests < before.requests || anyLower(before.latency, after.latency);
}

function anyLower(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): boolean {
  return Object.entries(before).some(([key, count]) => (after[key] ?? 0) < count);
}

function isReadable(counters: Counters | undefined): boolean {
  if (counters === undefined) return true;
  return [counters.requests, errorsOf(counters), ...Object.values(counters.byClass), ...Object.values(counters.latency)].every(isCount);
}
