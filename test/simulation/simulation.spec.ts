import { describe, expect, it } from 'vitest';
import { simulate } from './run.ts';

/** `SLUICE_SEED=123 npx vitest run test/simulation` replays one; `SLUICE_SEEDS=1000000` makes it a soak. */
const only = process.env['SLUICE_SEED'];
const count = Number(process.env['SLUICE_SEEDS'] ?? 20_000);
const first = Number(process.env['SLUICE_FIRST_SEED'] ?? 1);

describe('seeded releases in virtual time', () => {
  it(`keeps every invariant in ${only ?? count} random stories with faults, commands and crashes`, { timeout: 3_600_000 }, () => {
    const outcomes: Record<string, number> = {};
    const seen: Record<string, number> = {};
    let crashes = 0;
    const seeds = only === undefined ? Array.from({ length: count }, (_, index) => first + index) : [Number(only)];
    for (const seed of seeds) {
      const result = simulate(seed);
      if (result.violations.length > 0) {
        const log = result.log.map(({ at, release, event }) => `${at} ${release} ${JSON.stringify(event).slice(0, 240)}`).join('\n');
        throw new Error(
          `seed ${seed}: ${result.violations.join('; ')}\nreplay with SLUICE_SEED=${seed} npx vitest run test/simulation\n${log}`,
        );
      }
      for (const state of result.states.values()) outcomes[state.outcome ?? 'none'] = (outcomes[state.outcome ?? 'none'] ?? 0) + 1;
      crashes += result.crashes;
      for (const { event } of result.log) seen[event.type] = (seen[event.type] ?? 0) + 1;
    }
    console.log(`${seeds.length} stories, ${crashes} crashes: ${JSON.stringify(outcomes)}`);
    // A simulation that never sees some ending tests nothing there.
    if (only === undefined && count >= 20_000) {
      for (const outcome of ['Succeeded', 'Failed', 'Errored', 'Aborted', 'RolledBack', 'RollbackFailed'])
        expect(outcomes[outcome] ?? 0).toBeGreaterThan(50);
      for (const type of [
        'ApprovalExpired',
        'ApprovalRejected',
        'WindowOpened',
        'MigrationsFailed',
        'ProjectionsReverted',
        'RollbackRefused',
        'RoutesBroken',
      ])
        expect(seen[type] ?? 0, type).toBeGreaterThan(50);
    }
  });
});
