import { describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../../core/edge/rules.ts';
import { createSlowBodies, parseDetails, parseStreams } from './slow-bodies.ts';

/** A stream as HAProxy 2.6 tells it, shortened. */
function detailOf(pointer: string, request: string, response: string, received: number, unread = 0, answered = 0): string {
  return `${pointer}: [01/Dec/2026:05:16:30.455490] id=18 proto=tcpv4 source=127.0.0.1:39424
  frontend=edge (id=2 mode=http), listener=? (id=1) addr=127.0.0.1:40981
  txn=0x1e00 flags=0x803000 meth=3 status=-1 req.st=MSG_${request} rsp.st=MSG_${response} req.f=0x4c rsp.f=0x00
  req=0x14d0 (f=0x48c48000 an=0x8000 pipe=0 tofwd=0 total=${received})
      buf=0x14d8 data=(nil) o=0 p=0 i=0 size=0
      htx=0x9800 flags=0x0 size=0 data=${unread} used=0 wrap=NO extra=0
  res=0x1530 (f=0x80400000 an=0x1400000 pipe=0 tofwd=0 total=${answered})
      buf=0x1538 data=(nil) o=0 p=0 i=0 size=0
      htx=0x9800 flags=0x0 size=0 data=77 used=0 wrap=NO extra=0
`;
}

const rowOf = (pointer: string, age: string, frontend = 'edge'): string =>
  `${pointer}: proto=tcpv4 src=127.0.0.1:39424 fe=${frontend} be=b2 srv=e31 ts=00 epoch=0 age=${age} calls=3 rate=1 cpu=0 lat=0 rq[f=48h] exp=4m58s\n`;

describe('what HAProxy says about streams', () => {
  test('is read for those of users, with their age', () => {
    const text =
      rowOf('0xa1', '7s') + rowOf('0xa2', '1m5s') + rowOf('0xa3', '2h3m') + rowOf('0xa4', '1d2h') + rowOf('0xa5', '9s', 'GLOBAL');
    expect(parseStreams(`\n${text}\n`)).toEqual([
      { pointer: '0xa1', ageS: 7 },
      { pointer: '0xa2', ageS: 65 },
      { pointer: '0xa3', ageS: 7_380 },
      { pointer: '0xa4', ageS: 93_600 },
    ]);
  });

  test('is read in detail, and what does not tell enough is left out', () => {
    const text = [
      detailOf('0xa1', 'DATA', 'RPBEFORE', 71),
      detailOf('0xa2', 'DONE', 'DATA', 44, 0, 9),
      detailOf('0xa3', 'DATA', 'DATA', 9, 5),
    ];
    expect(parseDetails(`${text.join('\n')}\n0xa4: gone\n`)).toEqual([
      { pointer: '0xa1', isWhole: false, isBlocked: false, isUnanswered: true, received: 71, answered: 0 },
      { pointer: '0xa2', isWhole: true, isBlocked: false, isUnanswered: false, received: 44, answered: 9 },
      { pointer: '0xa3', isWhole: false, isBlocked: true, isUnanswered: false, received: 9, answered: 0 },
    ]);
  });
});

describe('request bodies', () => {
  interface Told {
    readonly age?: string;
    readonly request?: string;
    readonly response?: string;
    readonly received: (second: number) => number;
    readonly unread?: number;
    readonly answered?: (second: number) => number;
  }

  /** Look every 5 s at one stream that HAProxy tells of. @returns at which second it was ended; null: it was not, in three minutes. */
  async function endedAfter(told: Told, isCrowded = false): Promise<number | null> {
    let second = 0;
    let ended: number | null = null;
    const tell = async (_: number, ...commands: readonly string[]): Promise<string> => {
      const { request = 'DATA', response = 'RPBEFORE', received, unread = 0, answered = () => 0 } = told;
      if (commands[0] === 'show sess') return rowOf('0xa1', `${second}s`);
      if (commands.includes('shutdown session 0xa1')) ended ??= second;
      return detailOf('0xa1', request, response, received(second), unread, answered(second));
    };
    const bodies = createSlowBodies({ tell }, () => second * 1_000);
    for (; second <= 180 && ended === null; second += 5) await bodies.look([1], DEFAULT_RULES, isCrowded);
    return ended;
  }

  test('that trickle are ended after ten seconds, and in a crowd after five', async () => {
    const received = (second: number): number => 70 + second * 99;
    expect(await endedAfter({ received })).toBe(15);
    expect(await endedAfter({ received }, true)).toBe(10);
  });

  test('at the least speed are not', async () => {
    expect(await endedAfter({ received: (second: number) => 70 + second * 100 })).toBe(null);
  });

  test('that stop are ended when the time for one is over, whatever the least speed is', async () => {
    const stopping = (second: number): number => 70 + Math.min(second, 5) * 10_000;
    expect(await endedAfter({ received: stopping, response: 'DATA' })).toBe(70);
  });

  test.each<[string, Told]>([
    ['that have come whole', { request: 'DONE', received: () => 70 }],
    ['of which the version does not read what has come', { received: () => 70, unread: 9 }],
    ['that stand still while the version answers', { received: () => 70, response: 'DATA', answered: (second) => second }],
    ['of upgraded connections', { request: 'TUNNEL', received: () => 70 }],
  ])('%s are not ended', async (_, told) => {
    expect(await endedAfter(told)).toBe(null);
  });

  test('that have come whole are asked for no more, and one that is given their pointer is', async () => {
    let second = 0;
    let bornAt = 0;
    const asked: number[] = [];
    const tell = async (_: number, ...commands: readonly string[]): Promise<string> => {
      if (commands[0] === 'show sess') return rowOf('0xa1', `${second - bornAt}s`);
      if (commands.includes('show sess 0xa1')) asked.push(second);
      return detailOf('0xa1', second < 40 ? 'DONE' : 'DATA', 'RPBEFORE', 70);
    };
    const bodies = createSlowBodies({ tell }, () => second * 1_000);
    for (; second < 60; second += 5) {
      if (second === 40) bornAt = 37;
      await bodies.look([1], DEFAULT_RULES, false);
    }
    expect(asked).toEqual([5, 40, 45, 50, 55]);
  });
});
