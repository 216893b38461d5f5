import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../../core/edge/rules.ts';
import { connectionsIn, createPressure, crowdedRules } from './pressure.ts';

const SECOND = 1_000;

describe('a crowded HAProxy', () => {
  test('is one from three quarters of its connections on, and until it has been below half of them for a minute', () => {
    const pressure = createPressure();
    const looks: readonly (readonly [atS: number, connections: number, isCrowded: boolean])[] = [
      [0, 10, false],
      [1, 74, false],
      [2, 75, true],
      [3, 10, true],
      [60, 49, true],
      [61, 50, true],
      [120, 49, true],
      [122, 49, false],
      [123, 74, false],
      [124, 100, true],
    ];
    let before = false;
    for (const [atS, connections, isCrowded] of looks) {
      expect([atS, pressure.look(connections, 100, atS * SECOND)]).toEqual([atS, isCrowded !== before]);
      expect([atS, pressure.isCrowded]).toEqual([atS, isCrowded]);
      before = isCrowded;
    }
  });

  test('waits less for clients than set and never longer, waits for answers as set, and takes the same', () => {
    const { timeouts, ...rest } = crowdedRules(DEFAULT_RULES);
    expect(timeouts).toEqual({ headMs: 2_000, idleMs: 1_000, bodyMs: 5_000, answerMs: DEFAULT_RULES.timeouts.answerMs });
    expect(rest).toEqual({ trustedProxies: DEFAULT_RULES.trustedProxies, pinFrom: DEFAULT_RULES.pinFrom, limits: DEFAULT_RULES.limits });
    const short = { headMs: 300, idleMs: 200, bodyMs: 100, answerMs: 50 };
    expect(crowdedRules({ ...DEFAULT_RULES, timeouts: short }).timeouts).toEqual(short);
  });

  test('is known by what HAProxy says, and by nothing where it does not', () => {
    expect(connectionsIn('Name: HAProxy\nMaxconn: 14850\nHard_maxconn: 14850\nCurrConns: 12\nMaxConnRate: 5\n')).toEqual({
      connections: 12,
      most: 14_850,
    });
    for (const text of ['', 'CurrConns: 3\n', 'Maxconn: 0\nCurrConns: 3\n', 'Maxconn: many\nCurrConns: 3\n'])
      expect([text, connectionsIn(text)]).toEqual([text, null]);
  });
});
