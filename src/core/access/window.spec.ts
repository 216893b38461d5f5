import { describe, expect, test } from 'vitest';
import { fitsBranch } from './governance.ts';
import { closedBecause, type DeploymentWindow, instantOf, opensAt, WEEKDAYS } from './window.ts';

const WORK_DAYS = WEEKDAYS.slice(0, 5);
const DAY_MS = 86_400_000;
const at = (text: string): number => Date.parse(text);
const berlin = (change: Partial<DeploymentWindow> = {}): DeploymentWindow => ({
  timeZone: 'Europe/Berlin',
  open: [{ days: WORK_DAYS, from: 9 * 60, to: 16 * 60 }],
  freezes: [],
  waitMs: 30 * DAY_MS,
  ...change,
});

describe('a deployment window', () => {
  test.each([
    ['2026-07-01T07:00:00Z', null, '09:00 in summer'],
    ['2026-07-01T06:59:59Z', 'outside the deployment window', 'a second before'],
    ['2026-07-01T14:00:00Z', 'outside the deployment window', '16:00 sharp'],
    ['2026-01-07T08:00:00Z', null, '09:00 in winter'],
    ['2026-01-07T07:00:00Z', 'outside the deployment window', 'the same UTC time as in summer'],
    ['2026-07-04T10:00:00Z', 'outside the deployment window', 'a Saturday'],
  ])('at %s: %s (%s)', (moment: string, expected: string | null, _when: string) => {
    expect(closedBecause(berlin(), at(moment))).toBe(expected);
  });

  test('opens on the next working day, at the local time', () => {
    expect(opensAt(berlin(), at('2026-07-03T20:00:00Z'))).toBe(at('2026-07-06T07:00:00Z'));
    // The clocks change on Sunday 25 October: 09:00 is an hour later in UTC.
    expect(opensAt(berlin(), at('2026-10-23T20:00:00Z'))).toBe(at('2026-10-26T08:00:00Z'));
    expect(opensAt(berlin(), at('2026-07-01T08:00:00Z'))).toBe(at('2026-07-01T08:00:00Z'));
  });

  test('over midnight belongs to the day on which it begins', () => {
    const night = berlin({ open: [{ days: ['fri'], from: 22 * 60, to: 2 * 60 }] });
    expect(closedBecause(night, at('2026-07-03T21:00:00Z'))).toBeNull();
    expect(closedBecause(night, at('2026-07-03T23:59:00Z'))).toBeNull();
    expect(closedBecause(night, at('2026-07-04T00:00:00Z'))).not.toBeNull();
    expect(closedBecause(night, at('2026-07-02T23:00:00Z'))).not.toBeNull();
  });

  test('is shut by a freeze, and opens after it', () => {
    const freeze = {
      from: instantOf('2026-12-20', 0, 'Europe/Berlin'),
      to: instantOf('2027-01-03', 1_440, 'Europe/Berlin'),
      reason: 'holidays',
    };
    const frozen = berlin({ freezes: [freeze] });
    expect(closedBecause(frozen, at('2026-12-22T10:00:00Z'))).toBe('frozen: holidays');
    expect(opensAt(frozen, at('2026-12-22T10:00:00Z'))).toBe(at('2027-01-04T08:00:00Z'));
    expect(opensAt({ ...frozen, open: [] }, at('2026-12-22T10:00:00Z'))).toBe(at('2027-01-03T23:00:00Z'));
    expect(opensAt({ ...frozen, waitMs: DAY_MS }, at('2026-12-22T10:00:00Z'))).toBeNull();
  });
});

test('local times are the right moments on both sides of a clock change', () => {
  expect(instantOf('2026-03-28', 12 * 60, 'Europe/Berlin')).toBe(at('2026-03-28T11:00:00Z'));
  expect(instantOf('2026-03-29', 12 * 60, 'Europe/Berlin')).toBe(at('2026-03-29T10:00:00Z'));
  expect(instantOf('2026-11-01', 0, 'America/New_York')).toBe(at('2026-11-01T04:00:00Z'));
  expect(instantOf('2026-11-02', 0, 'America/New_York')).toBe(at('2026-11-02T05:00:00Z'));
});

test.each([
  ['main', 'main', true],
  ['main', 'main2', false],
  ['release/*', 'release/1.2', true],
  ['release/*', 'release', false],
  ['*', 'anything/at/all', true],
  ['a*b*c', 'a-b-c', true],
  ['a*bc', 'abcc', false],
])('branch rule %s and branch %s: %s', (pattern, branch, expected) => {
  expect(fitsBranch([pattern], branch)).toBe(expected);
});
