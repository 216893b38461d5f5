import { describe, expect, it } from 'vitest';
import { readArms, type ArmsRead } from './arms.ts';
import { NO_CLASS_WATCH, watchClasses, worseClass } from './class-watch.ts';
import { classEvidence, COMPARED, NO_CLASSES, refusesAll } from './classes.ts';
import type { ArmCounts } from './sample.ts';
import { randomFrom } from './simulate.ts';

/** Answers of one look, `share` of them of a class. */
function answers(requests: number, name: string, count: number): ArmCounts {
  return { requests, errors: 0, latency: {}, classes: { '2xx': requests - count, [name]: count } };
}

function arms(candidate: ArmCounts, baseline: ArmCounts): ArmsRead {
  const read = readArms({ candidate, baseline });
  if (typeof read === 'string') throw new Error(read);
  return read;
}

const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
const chance = (n: number, k: number, p: number): number =>
  (factorial(n) / (factorial(k) * factorial(n - k))) * p ** k * (1 - p) ** (n - k);

describe('status classes compared', () => {
  it('each alternative is an e-variable: at most 1 in expectation for every share that the margin allows', () => {
    const known = { n: 200, of: [10, 40, 4] };
    for (const [i, name] of COMPARED.entries()) {
      for (const share of [0, 0.01, 0.1, 0.3, 0.6]) {
        const allowed = 1.25 * share + 0.01;
        const expected = new Array<number>(15).fill(0);
        for (let kc = 0; kc <= 5; kc++)
          for (let kb = 0; kb <= 8; kb++) {
            const weight = chance(5, kc, allowed) * chance(8, kb, share);
            const logs = classEvidence(arms(answers(5, name, kc), answers(8, name, kb)), known);
            for (const [g, log] of logs.entries()) expected[g] = (expected[g] ?? 0) + weight * Math.exp(log);
          }
        for (const one of expected.slice(i * 5, i * 5 + 5)) expect(one).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
  });

  it.each([
    ['all answers 404', '4xx', 1],
    ['a third 401', '4xx', 0.33],
    ['half redirected', '3xx', 0.5],
    ['clients that leave', 'aborted', 0.3],
  ])('finds within a few looks: %s', (_, name, share) => {
    let watch = NO_CLASS_WATCH;
    for (let look = 0; look < 5; look++)
      watch = watchClasses(watch, arms(answers(50, name, Math.round(50 * share)), answers(950, name, 5)));
    expect(worseClass(watch)).toMatch(name === 'aborted' ? /^clients leave the new version/ : new RegExp(`answers ${name} more often`));
  });

  it('finds nothing in a version that answers as the old one does, at the edge of the margin too', () => {
    const random = randomFrom(7);
    const draw = (n: number, p: number) => Array.from({ length: n }, random).filter((one) => one < p).length;
    let failed = 0;
    for (let run = 0; run < 100; run++) {
      let watch = NO_CLASS_WATCH;
      for (let look = 0; look < 60; look++)
        watch = watchClasses(watch, arms(answers(50, '4xx', draw(50, 0.1 * 1.25 + 0.01)), answers(200, '4xx', draw(200, 0.1))));
      if (worseClass(watch) !== null) failed += 1;
    }
    expect(failed).toBeLessThanOrEqual(1);
  });

  it('no classes are no evidence of any', () => {
    const untold: ArmCounts = { requests: 1000, errors: 0, latency: {} };
    expect(classEvidence(arms(untold, untold), NO_CLASSES)).toEqual(new Array(15).fill(0));
    expect(worseClass(watchClasses(NO_CLASS_WATCH, arms(untold, answers(50, '4xx', 1))))).toBeNull();
  });

  it('a version with nothing beside it is told by refusing next to all', () => {
    expect(refusesAll({ n: 100, of: [0, 95, 0] })).toBe(true);
    expect(refusesAll({ n: 100, of: [0, 60, 0] })).toBe(false);
    expect(refusesAll({ n: 5, of: [0, 5, 0] })).toBe(false);
  });
});
