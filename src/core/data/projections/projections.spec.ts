import { describe, expect, test } from 'vitest';
import { mistakesOf } from './definition.ts';
import { progressOf } from './progress.ts';
import { viewShape } from './shape.ts';
import { compaction, shardCount, shouldFlush } from './shards.ts';
import { coverage, upcastWith } from './upcast.ts';
import { comparable, verdictOf } from './verdict.ts';

const good = { name: 'a', version: 1, key: 'stream', init: () => ({ n: 0 }), evolve: (s: object) => s, columns: { n: 'bigint' } };
const evidence = { comparison: null, refold: { rows: 3, events: 9, differing: [] }, changes: undefined, deadLetters: 0, hasEvents: true };
const equal = { rowsBefore: 3, rowsAfter: 3, checksumBefore: '1', checksumAfter: '1', sample: [] };

describe('a definition', () => {
  test('is taken when it is whole', () => expect(mistakesOf(good)).toEqual([]));
  test.each([
    [undefined, 'exports no projection'],
    [{ ...good, name: 'A b' }, 'name must be'],
    [{ ...good, version: 0 }, 'version must be'],
    [{ ...good, key: 7 }, 'key must be'],
    [{ ...good, columns: { key: 'text' } }, 'columns.key'],
    [{ ...good, columns: { n: 'money' } }, 'columns.n must be one of'],
    [{ ...good, upcasters: { Named: () => ({}) } }, 'upcasters["Named"]'],
    [{ ...good, mergeable: { n: 'sum' } }, 'mergeable has no meaning'],
    [{ ...good, key: () => 'x', mergeable: { n: 'sum' }, init: () => ({ n: 1 }) }, 'init must give 0 for n'],
    [{ ...good, changes: { columns: ['m'], reason: 'why' } }, 'changes.columns names m'],
  ])('%# says what is wrong', (value, message) => expect(mistakesOf(value).join()).toContain(message));
});

test('rows that several streams share, in order, are made in one go', () => {
  const key = () => 'x';
  expect([shardCount({ key: 'stream' }, 4), shardCount({ key }, 4), shardCount({ key, mergeable: {} }, 99)]).toEqual([4, 1, 16]);
});

test('rows are stored seldom, but before memory is short', () => {
  const quiet = { sinceMs: 5_000, lastTookMs: 100, dirty: 10, events: 10 };
  expect(shouldFlush(quiet)).toBe(false);
  expect(shouldFlush({ ...quiet, sinceMs: 10_000 })).toBe(true);
  // Storing took 3 s: a tenth of the time is 30 s.
  expect(shouldFlush({ ...quiet, sinceMs: 20_000, lastTookMs: 3_000 })).toBe(false);
  expect(shouldFlush({ ...quiet, dirty: 500_000 })).toBe(true);
});

test('what was stored once is not copied', () => {
  const part = { shard: 0, position: 9, ahead: 9, events: 9, done: true, flushes: 1 };
  expect(compaction({}, [part, { ...part, shard: 1 }]).kind).toBe('rename');
  expect(compaction({}, [{ ...part, flushes: 2 }]).kind).toBe('newest');
  expect(compaction({ mergeable: {} }, [part, { ...part, shard: 1 }]).kind).toBe('merge');
});

test('progress has a rate and an end', () => {
  const part = { shard: 0, position: 0, ahead: 500, events: 400, done: false, flushes: 0 };
  expect(progressOf(1_000, [part], { events: 0, share: 0, at: 0 }, 2_000)).toEqual({ share: 0.5, events: 400, rate: 200, etaMs: 2_000 });
  expect(progressOf(0, [part], null, 5)).toEqual({ share: 1, events: 400, rate: null, etaMs: null });
});

test('the view grows and never changes', () => {
  expect(viewShape({ a: 'text', b: 'bigint' }, { b: 'bigint', c: 'text' })).toMatchObject({ kind: 'fits', added: ['c'], missing: ['a'] });
  expect(viewShape({ a: 'text' }, { a: 'bigint' }).kind).toBe('refused');
});

describe('upcasters', () => {
  const upcasters = { 'A@1': (d: object) => ({ ...d, two: true }), 'A@2': (d: object) => ({ ...d, three: true }) };
  test('lead from any schema to the present one', () => {
    expect(upcastWith(upcasters)('A', 1, { x: 1 })).toEqual({ x: 1, two: true, three: true });
    expect(upcastWith(upcasters)('A', 3, { x: 1 })).toEqual({ x: 1 });
  });
  test('what is stored and cannot be read is named', () => {
    const stored = [
      { type: 'A', schema: 1, events: 4 },
      { type: 'A', schema: 4, events: 1 },
      { type: 'B', schema: 1, events: 2 },
      { type: 'B', schema: 2, events: 2 },
      { type: 'C', schema: 7, events: 2 },
    ];
    const found = coverage(stored, { name: 'p', upcasters });
    expect(found.map(({ type, schema, problem }) => [type, schema, problem])).toEqual([
      ['A', 4, 'newer'],
      ['B', 1, 'missing'],
    ]);
    const gap = coverage([{ type: 'A', schema: 1, events: 1 }], { name: 'p', upcasters: { 'A@2': (d) => d } });
    expect(gap[0]?.message).toContain('there is no upcaster A@1');
    expect(coverage(stored, { name: 'p', types: ['C'] }).every(({ problem }) => problem === 'unread')).toBe(true);
  });
});

describe('a verdict', () => {
  test('needs something to hold it against', () => {
    expect(verdictOf({ ...evidence, refold: null }).passed).toBe(false);
    expect(verdictOf({ ...evidence, refold: null, hasEvents: false }).passed).toBe(true);
    expect(verdictOf(evidence).passed).toBe(true);
  });
  test('takes what was declared and nothing else', () => {
    const changes = { columns: ['fee'], rows: true, reason: 'fees are new' };
    expect(comparable({ fee: 'bigint', n: 'bigint', x: 'text' }, { fee: 'bigint', n: 'bigint', y: 'text' }, changes)).toEqual(['n']);
    expect(verdictOf({ ...evidence, comparison: { ...equal, rowsAfter: 4 }, changes })).toMatchObject({ passed: true });
    expect(verdictOf({ ...evidence, comparison: { ...equal, rowsAfter: 4 } }).reasons).toEqual([
      'the version before has 3 rows, this one 4',
    ]);
    expect(verdictOf({ ...evidence, comparison: { ...equal, checksumAfter: '2' } }).reasons).toEqual(['the checksums differ']);
    expect(verdictOf({ ...evidence, deadLetters: 2 }).passed).toBe(false);
  });
});
