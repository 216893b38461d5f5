import { cumulated, isCount, MAX_BUCKET, type Cumulated, type Histogram } from './histogram.ts';
import type { ArmCounts, Arms, ClassCounts, Counts, Sample } from './sample.ts';

/** Nothing counted yet. */
export const NOTHING_COUNTED: ArmCounts = { requests: 0, errors: 0, latency: {} };

/** Both counts together. Classes are known of the sum where they are known of every request in it. */
export function addCounts(a: ArmCounts, b: ArmCounts): ArmCounts {
  const classes = addClasses(a, b);
  return {
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    latency: addEach(a.latency, b.latency),
    ...(classes === undefined ? {} : { classes }),
  };
}

/** What two times brought to both arms, and to each stratum. An arm that one of them has not has nothing there. */
export function addArms(a: Counts, b: Counts): Counts {
  const both = armsOf(a, b);
  if (a.strata === undefined && b.strata === undefined) return both;
  const strata: Record<string, Arms> = { ...a.strata };
  for (const [name, arms] of Object.entries(b.strata ?? {})) {
    const before = strata[name];
    strata[name] = before === undefined ? arms : armsOf(before, arms);
  }
  return { ...both, strata };
}

function armsOf(a: Arms, b: Arms): Arms {
  const add = (one: ArmCounts | null, other: ArmCounts | null) => (one === null || other === null ? (one ?? other) : addCounts(one, other));
  return { candidate: add(a.candidate, b.candidate), baseline: add(a.baseline, b.baseline) };
}

function addClasses(a: ArmCounts, b: ArmCounts): ClassCounts | undefined {
  const [ofA, ofB] = [classesOf(a), classesOf(b)];
  return ofA === undefined || ofB === undefined ? undefined : addEach(ofA, ofB);
}

/** Of no request every class is known. */
function classesOf({ requests, classes }: ArmCounts): ClassCounts | undefined {
  return classes ?? (requests === 0 ? {} : undefined);
}

/** A window of counts with more of them; latencies only where they are asked for. */
export function widen(window: ArmCounts | null, more: ArmCounts | null, keepsLatency: boolean): ArmCounts | null {
  if (more === null) return window;
  return addCounts(window ?? NOTHING_COUNTED, keepsLatency ? more : { ...more, latency: {} });
}

function addEach(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [key, count] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

/** Share of answers that are errors, or null when there were none to judge. */
export function errorRateOf(counts: ArmCounts): number | null {
  return counts.requests > 0 ? counts.errors / counts.requests : null;
}

/** The counts of one arm, believed, and the histogram read: a judge that looks at it a dozen times has that done once. */
export interface ArmRead {
  readonly requests: number;
  readonly errors: number;
  readonly latency: Cumulated;
  /** Null: the source cannot tell. */
  readonly classes: ClassCounts | null;
}

export interface ArmsRead {
  readonly candidate: ArmRead | null;
  readonly baseline: ArmRead | null;
}

/** A sample that can be believed. */
export interface SampleRead extends ArmsRead {
  readonly fromAt: number;
  readonly at: number;
  /** By stratum, in the sample's order; null where it has none. */
  readonly strata: ReadonlyMap<string, ArmsRead> | null;
}

/**
 * The sample read, or why it cannot be believed. A source that reports such a thing is broken:
 * its sample is an error, never a good and never a bad value.
 */
export function readSample(sample: Sample): SampleRead | string {
  if (sample.error !== null) return sample.error;
  if (!Number.isFinite(sample.at) || !Number.isFinite(sample.fromAt)) return 'the sample has no time';
  const { fromAt, at } = sample;
  const whole = readArms(sample);
  if (typeof whole === 'string') return whole;
  const { candidate, baseline } = whole;
  if (sample.strata === undefined) return { fromAt, at, candidate, baseline, strata: null };
  const strata = new Map<string, ArmsRead>();
  for (const [name, arms] of Object.entries(sample.strata)) {
    const part = readArms(arms);
    if (typeof part === 'string') return part;
    strata.set(name, part);
  }
  return { fromAt, at, candidate, baseline, strata };
}

/** Why a sample cannot be believed, or null when it can. */
export function faultOf(sample: Sample): string | null {
  const read = readSample(sample);
  return typeof read === 'string' ? read : null;
}

/** Both arms read, or why one cannot be believed. */
export function readArms({ candidate, baseline }: Arms): ArmsRead | string {
  const ofCandidate = candidate === null ? null : readArm('the new version', candidate);
  if (typeof ofCandidate === 'string') return ofCandidate;
  const ofBaseline = baseline === null ? null : readArm('the old version', baseline);
  return typeof ofBaseline === 'string' ? ofBaseline : { candidate: ofCandidate, baseline: ofBaseline };
}

function readArm(whose: string, counts: ArmCounts): ArmRead | string {
  const { requests, errors } = counts;
  if (!isCount(requests)) return `the request count of ${whose} is ${requests}`;
  if (!isCount(errors)) return `the error count of ${whose} is ${errors}`;
  if (errors > requests) return `${whose} has more errors (${errors}) than requests (${requests})`;
  const classes = counts.classes ?? null;
  const faultOfThem = classes === null ? null : faultOfClasses(whose, counts, classes);
  if (faultOfThem !== null) return faultOfThem;
  const latency = cumulated(counts.latency);
  return latency === null ? faultOfHistogram(whose, counts.latency) : { requests, errors, latency, classes };
}

/** Classes that have more answers than there were requests, or more failures than errors, are no evidence of anything. */
function faultOfClasses(whose: string, { requests, errors }: ArmCounts, classes: ClassCounts): string | null {
  let sum = 0;
  for (const [name, count] of Object.entries(classes)) {
    if (!isCount(count)) return `${whose} has ${count} answers of class ${name}`;
    sum += count;
  }
  if (sum > requests) return `${whose} has more answers by status class (${sum}) than requests (${requests})`;
  const failed = failedIn(classes);
  return failed > errors ? `${whose} has more answers 5xx or failed (${failed}) than errors (${errors})` : null;
}

/** Answers that are errors, by their class. */
export function failedIn(classes: ClassCounts): number {
  return (classes['5xx'] ?? 0) + (classes['failed'] ?? 0);
}

function faultOfHistogram(whose: string, histogram: Histogram): string {
  for (const [bucket, count] of Object.entries(histogram)) {
    const index = Number(bucket);
    if (!(Number.isInteger(index) && index >= 0 && index <= MAX_BUCKET && String(index) === bucket))
      return `the latency histogram of ${whose} has an unknown bucket ${bucket}`;
    if (!isCount(count)) return `the latency histogram of ${whose} counts ${count} in bucket ${bucket}`;
  }
  return `the latency histogram of ${whose} cannot be read`;
}
