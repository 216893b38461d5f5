import { describe, expect, it } from 'vitest';
import { agreed, type Asked, trafficGaps } from './word.ts';

const HOUR = 3_600_000;
const recorded = { release: '01ARZ3NDEKTSV4RRFFQ69G5FAV', environment: 'production', given: ['bob'], holds: { '002': 'sha256:a' } };
const asked = (other: Partial<Asked>): Asked => ({
  by: 'ada',
  environment: 'production',
  word: recorded.release,
  recorded,
  needsRecord: true,
  migrations: [{ id: '002', checksum: 'sha256:a' }],
  ...other,
});

describe('who has agreed', () => {
  it('is a recorded approval of a release that holds the very files', () => {
    expect(agreed(asked({}))).toBe('ada, approved by bob with release 01ARZ3NDEKTSV4RRFFQ69G5FAV');
    for (const other of [
      { recorded: { ...recorded, given: [] } },
      { recorded: { ...recorded, given: ['Ada '] } },
      { recorded: { ...recorded, environment: 'staging' } },
      { recorded: { ...recorded, holds: {} } },
      { recorded: { ...recorded, holds: { '002': 'sha256:other' } } },
    ])
      expect(() => agreed(asked(other))).toThrow(/01ARZ3NDEKTSV4RRFFQ69G5FAV/);
  });

  it('is no name at all where the environment has an approval rule', () => {
    expect(() => agreed(asked({ word: 'bob', recorded: null }))).toThrow(/not recorded anywhere/);
  });

  it("is a name elsewhere, recorded as what was said; never one's own", () => {
    expect(agreed(asked({ word: 'bob', recorded: null, needsRecord: false }))).toBe('ada, approved by bob as ada says');
    for (const word of [null, '', '  ', 'ada', ' ADA'])
      expect(() => agreed(asked({ word, recorded: null, needsRecord: false }))).toThrow(/somebody else/);
  });
});

describe('what is not known of the traffic', () => {
  const seen = (app: string) => ({ app, version: 'v1', migrations: [], lastTrafficAt: 0 });
  it('is said of every app without a record, and of one that is younger than the window', () => {
    expect(trafficGaps(['web'], [seen('web')], { web: 0 }, 100 * HOUR, 24 * HOUR)).toEqual([]);
    expect(trafficGaps([], [], {}, 100 * HOUR, 24 * HOUR)).toHaveLength(1);
    expect(trafficGaps(['web', 'worker'], [seen('web')], { web: 0 }, 100 * HOUR, 24 * HOUR)).toEqual([expect.stringContaining('worker')]);
    expect(trafficGaps(['web'], [seen('web')], { web: 99 * HOUR }, 100 * HOUR, 24 * HOUR)).toEqual([
      expect.stringContaining('less than the rollback window'),
    ]);
  });
});
