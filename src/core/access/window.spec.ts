import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsBranch } from './governance.ts';
import { closedBecause, closedText, type DeploymentWindow, instantOf, opensAt, WEEKDAYS } from './window.ts';

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

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/Santiago', 'Pacific/Apia'];
const HOUR_MS = 3_600_000;
const minuteOfDay = fc.oneof(fc.integer({ min: 0, max: 1_439 }), fc.constantFrom(0, 60, 90, 120, 150, 179, 180, 1_439));
const opening = fc.record({
  days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
  from: minuteOfDay,
  to: fc.oneof(minuteOfDay, fc.constant(1_440)),
});
/** Near the moments at which some clocks are changed, and anywhere else. */
const moment = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('2026-03-08', '2026-03-29', '2026-04-05', '2026-10-04', '2026-10-25', '2026-11-01', '2027-02-14', '2026-07-01'),
      fc.integer({ min: -4 * 1_440, max: 2 * 1_440 }),
    )
    .map(([date, minutes]) => at(`${date}T00:00:00Z`) + minutes * 60_000),
  fc
    .tuple(
      fc.constantFrom('2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-03-08T07:00Z', '2026-11-01T06:00Z', '2026-04-04T15:00Z'),
      fc.integer({ min: -180, max: 120 }),
    )
    .map(([change, minutes]) => at(change) + minutes * 60_000),
);
const anyWindow = moment.chain((near) =>
  fc.record({
    near: fc.constant(near),
    window: fc.record({
      timeZone: fc.constantFrom(...ZONES),
      open: fc.array(opening, { minLength: 0, maxLength: 3 }),
      freezes: fc.array(
        fc
          .tuple(fc.integer({ min: -72, max: 96 }), fc.integer({ min: 1, max: 72 }))
          .map(([from, hours]) => ({ from: near + from * HOUR_MS, to: near + (from + hours) * HOUR_MS, reason: 'sale' })),
        { maxLength: 3 },
      ),
      waitMs: fc.constant(30 * DAY_MS),
    }),
  }),
);

/** What the wall shows there, by the machine's own means, and nothing of the code under test. */
function wall(moment: number, timeZone: string): { readonly day: string; readonly minutes: number } {
  const [day = '', time = ''] = new Date(moment)
    .toLocaleString('en-GB', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit' })
    .split(/,? /);
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return { day: day.toLowerCase(), minutes: hours * 60 + minutes };
}

function isOpenByHand({ open, freezes, timeZone }: DeploymentWindow, moment: number): boolean {
  if (freezes.some(({ from, to }) => moment >= from && moment < to)) return false;
  const { day, minutes } = wall(moment, timeZone);
  const before = WEEKDAYS[(WEEKDAYS.findIndex((name) => name === day) + 6) % 7];
  return (
    open.length === 0 ||
    open.some(({ days, from, to }) =>
      from < to
        ? days.some((name) => name === day) && minutes >= from && minutes < to
        : (days.some((name) => name === day) && minutes >= from) || (days.some((name) => name === before) && minutes < to),
    )
  );
}

describe('for any window, in any time zone, around any change of the clocks', () => {
  test('it is open exactly when the clock on the wall says so', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(anyWindow, fc.integer({ min: 0, max: 6 * 1_440 }), ({ near, window }, minutes) => {
        const moment = near + minutes * 60_000;
        expect(closedBecause(window, moment) === null).toBe(isOpenByHand(window, moment));
      }),
      { numRuns: 2_000, seed: 4 },
    );
  });

  test('it opens at the first moment at which it is open, to the minute', { timeout: 120_000 }, () => {
    let waited = 0;
    fc.assert(
      fc.property(anyWindow, ({ near, window }) => {
        const opens = opensAt(window, near);
        // By walking, minute by minute.
        let moment = near;
        while (moment <= near + 9 * DAY_MS && closedBecause(window, moment) !== null) moment += 60_000;
        if (moment > near && moment <= near + 9 * DAY_MS) waited += 1;
        if (moment > near + 9 * DAY_MS) expect(opens ?? Infinity).toBeGreaterThan(near + 9 * DAY_MS);
        else expect(opens === null ? null : new Date(opens).toISOString()).toBe(new Date(moment).toISOString());
      }),
      { numRuns: 700, seed: 4 },
    );
    expect(waited).toBeGreaterThan(100);
  });
});

test('people are told when it opens, by the clock there', () => {
  expect(closedText(berlin(), at('2026-10-23T20:00:00Z'))).toBe(
    'outside the deployment window; it opens Mon 2026-10-26 09:00 Europe/Berlin',
  );
  const forever = { from: 0, to: at('2036-01-01T00:00:00Z'), reason: 'sold' };
  expect(closedText(berlin({ freezes: [forever] }), at('2026-10-23T20:00:00Z'))).toBe('frozen: sold, for longer than a year');
  expect(closedText(berlin(), at('2026-07-01T08:00:00Z'))).toBeNull();
});
