import type { EdgeIntent } from '../../../core/app/traffic.ts';
import { backendOf } from './layout.ts';
import type { KeeperState } from './schema.ts';

/** What one app's intent needs: tokens for its versions, and perhaps more backends than there are. */
export interface Allocation {
  readonly tokens: Record<string, string>;
  readonly serial: number;
  readonly slots: number;
}

/**
 * Give each version of an intent a backend: the one it has, or a free one in which nothing is under way (`busy`).
 * Free ones are taken in turn, so that one just freed rests longest. When none is left, their number doubles.
 */
export function allocate(state: KeeperState, intent: EdgeIntent, busy: ReadonlySet<string>): Allocation {
  const known = state.apps[intent.app]?.tokens ?? {};
  const kept = Object.entries(known).filter(([id]) => intent.versions.some((version) => version.id === id));
  const tokens: Record<string, string> = Object.fromEntries(kept);
  const taken = new Set([
    ...busy,
    ...Object.values(state.apps)
      .flatMap((app) => Object.values(app.tokens))
      .map(backendOf),
  ]);
  let { serial, slots } = state;
  for (const { id } of intent.versions) {
    if (tokens[id] !== undefined) continue;
    serial += 1;
    let backend = freeSlot(slots, serial, taken);
    while (backend === null) {
      slots *= 2;
      backend = freeSlot(slots, serial, taken);
    }
    taken.add(backend);
    tokens[id] = `${backend}.${serial}`;
  }
  return { tokens, serial, slots };
}

function freeSlot(slots: number, from: number, taken: ReadonlySet<string>): string | null {
  for (let step = 0; step < slots; step += 1) {
    const backend = `b${((from + step) % slots) + 1}`;
    if (!taken.has(backend)) return backend;
  }
  return null;
}
