import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planOf } from '../../../test/engine/world.ts';
import { play, REAL, story } from '../../../test/simulation/approval-play.ts';
import { isIntact, withHash } from '../release/plan/plan.ts';

test(
  'no sequence of commands deploys an unapproved, expired, self-approved, rejected or altered plan, or one outside its window',
  { timeout: 120_000 },
  () => {
    let started = 0;
    let past = 0;
    fc.assert(
      fc.property(story, (told) => {
        const played = play(REAL, told);
        started += played.started > 0 ? 1 : 0;
        past += played.past > 0 ? 1 : 0;
        expect(played.wrong).toEqual([]);
      }),
      { numRuns: 12_000, seed: 9 },
    );
    // A property of releases that never start would hold of anything; and emergencies do pass a window that is shut.
    expect(started).toBeGreaterThan(1_000);
    expect(past).toBeGreaterThan(50);
  },
);

test('a plan that was altered is not intact', () => {
  const plan = withHash({ ...planOf(['web']), approval: { number: 1, from: [], expiresMs: 1, authors: [] } });
  expect([
    isIntact(plan),
    isIntact({ ...plan, source: { ...plan.source, commit: 'evil' } }),
    isIntact({ ...plan, approval: { number: 0, from: [], expiresMs: 1, authors: [] } }),
  ]).toEqual([true, false, false]);
});
