import { describe, expect, it } from 'vitest';
import { mayContract, mayWorkWith } from './gates.ts';
import type { RecordedMigration } from './record.ts';

const done = (id: string, phase: RecordedMigration['phase'], state: RecordedMigration['state'] = 'applied'): RecordedMigration => ({
  id,
  checksum: '',
  phase,
  state,
  startedAt: 0,
  endedAt: 1,
  by: 'test',
  release: null,
  rows: null,
});
const HOUR = 3_600_000;

describe('whether a version can work with the schema (invariant 8)', () => {
  it('can, as long as migrations only added', () => {
    expect(mayWorkWith({ version: 'one', migrations: [] }, [done('001', 'expand'), done('002', 'backfill')])).toEqual({
      allowed: true,
      reasons: [],
    });
    expect(mayWorkWith({ version: 'one', migrations: null }, [done('001', 'expand')]).allowed).toBe(true);
  });

  it('cannot, once something was taken away that it does not know of', () => {
    const record = [done('001', 'expand'), done('002', 'contract')];
    expect(mayWorkWith({ version: 'one', migrations: ['001'] }, record)).toEqual({
      allowed: false,
      reasons: ['migration 002 took away what one needs'],
    });
    expect(mayWorkWith({ version: 'two', migrations: ['001', '002'] }, record).allowed).toBe(true);
    expect(mayWorkWith({ version: 'unknown', migrations: null }, record).allowed).toBe(false);
  });

  it('cannot, when what it needs was taken back', () => {
    expect(mayWorkWith({ version: 'two', migrations: ['001'] }, [done('001', 'expand', 'compensated')]).allowed).toBe(false);
    expect(mayWorkWith({ version: 'one', migrations: [] }, [done('001', 'contract', 'compensated')]).allowed).toBe(true);
  });
});

describe('whether something may be taken away', () => {
  const traffic = (migrations: readonly string[] | null, hoursAgo: number) => ({
    app: 'web',
    version: 'v1',
    migrations,
    lastTrafficAt: 100 * HOUR - hoursAgo * HOUR,
  });

  it('may, once no version that needs it had traffic for the window', () => {
    expect(mayContract('002', [traffic(['002'], 0), traffic([], 25)], 100 * HOUR, 24 * HOUR).allowed).toBe(true);
    expect(mayContract('002', [], 100 * HOUR, 24 * HOUR).allowed).toBe(true);
  });

  it('may not while one has traffic, or had it within the window, or nobody knows what it needs', () => {
    expect(mayContract('002', [traffic([], 0)], 100 * HOUR, 24 * HOUR).reasons[0]).toMatch(
      /web v1 does not know of 002 and had traffic just now/,
    );
    expect(mayContract('002', [traffic([], 23)], 100 * HOUR, 24 * HOUR).reasons[0]).toMatch(/may run in 1 h/);
    expect(mayContract('002', [traffic(null, 0)], 100 * HOUR, 24 * HOUR).allowed).toBe(false);
  });
});
