import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClusterWorld, clusterWorld } from '../../../test/worlds/cluster.ts';

const signal = new AbortController().signal;

describe('a drill on a shop', () => {
  let world: ClusterWorld;
  beforeAll(async () => {
    world = await clusterWorld();
  });
  afterAll(() => world.end(), 60_000);

  it('restores what was written, to the newest and to a random moment, and says how long and how much', { timeout: 120_000 }, async () => {
    const { record, findings } = await world.keeper.take('manual', signal);
    expect(findings).toEqual([]);
    expect(record.bytes).toBeGreaterThan(10_000_000);
    for (let i = 0; i < 4; i += 1) {
      await world.sql(`INSERT INTO shop.event (stream, data) SELECT 'late-${i}', '{}' FROM generate_series(1, 100)`);
      await world.keeper.tick(Date.now() + 10_000 * (i + 1), signal);
    }
    await world.sql('SELECT pg_switch_wal()');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await world.keeper.tick(Date.now() + 60_000, signal);
    const { verdict } = await world.keeper.drill('tester', signal, 12_345);
    expect(verdict).toEqual({ passed: true, findings: [] });
  });
});
