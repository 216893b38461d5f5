import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EdgeObservation } from '../app/traffic.ts';
import { edgeDrift, mending } from './drift.ts';

const endpoint = fc.record({ host: fc.constant('127.0.0.1'), port: fc.integer({ min: 20_000, max: 20_005 }) });
const endpoints = fc.uniqueArray(endpoint, { maxLength: 3, selector: ({ port }) => port });
const version = fc.record({ id: fc.constantFrom('a', 'b'), weight: fc.constantFrom(0, 5, 95, 100), endpoints, inFlight: fc.nat(3) });
const observation = fc.option(
  fc
    .uniqueArray(version, { maxLength: 2, selector: ({ id }) => id })
    .map((versions): EdgeObservation => ({ app: 'e/web', fence: 1, versions })),
);

describe('what an edge does is compared with the record', () => {
  test('and is well only where all traffic goes to the stable version, at exactly the places where it listens', () => {
    fc.assert(
      fc.property(observation, endpoints, (seen, wanted) => {
        const mine = seen?.versions.find(({ id }) => id === 'a');
        const ports = (of: readonly { readonly port: number }[] | undefined): string =>
          JSON.stringify(of?.map(({ port }) => port).toSorted());
        const isWell = mine?.weight === 100 && ports(mine.endpoints) === ports(wanted);
        expect(edgeDrift({ stable: 'a', endpoints: wanted }, seen) === null).toBe(isWell);
      }),
    );
  });

  test('and what mends it leaves nothing that differs', () => {
    fc.assert(
      fc.property(endpoints, (wanted) => {
        const recorded = { stable: 'a', endpoints: wanted };
        const versions = mending(recorded).map((one) => ({ ...one, inFlight: 0 }));
        expect(edgeDrift(recorded, { app: 'e/web', fence: 1, versions })).toBeNull();
      }),
    );
  });

  test('and each difference is said', () => {
    const recorded = { stable: 'a', endpoints: [{ host: '127.0.0.1', port: 20_001 }] };
    const seen = (weight: number, port: number): EdgeObservation => ({
      app: 'e/web',
      fence: 1,
      versions: [{ id: 'a', weight, endpoints: [{ host: '127.0.0.1', port }], inFlight: 0 }],
    });
    expect(edgeDrift(recorded, null)).toBe('the edge does not route it');
    expect(edgeDrift(recorded, seen(100, 20_000))).toBe('the edge sends its traffic to 127.0.0.1:20000, but it listens on 127.0.0.1:20001');
    expect(edgeDrift(recorded, seen(5, 20_001))).toBe('the edge sends 5 % to a and not 100 % to a');
  });
});
