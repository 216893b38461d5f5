import type { EdgeObservation } from '../../../core/app/traffic.ts';
import { appKey, backendOf, decodeSplit, endpointOf, serialOf } from './layout.ts';
import { type BackendCounts, type Holding, parseBackends, say } from './runtime.ts';

/** An app as HAProxy holds it: ids and tokens, weights and endpoints all come from its runtime. Null when it does not know it. */
export function observationOf(
  app: string,
  fence: number,
  order: readonly string[],
  holding: Holding,
  inFlight: ReadonlyMap<string, number>,
): EdgeObservation | null {
  const key = appKey(app);
  const split = holding.maps.splits.get(key);
  if (split === undefined) return null;
  const weights = decodeSplit(split);
  const versions = [...holding.maps.versions]
    .filter(([versionKey]) => versionKey.startsWith(`${key}:`))
    .map(([versionKey, token]) => {
      const servers = [...(holding.servers.get(backendOf(token)) ?? [])].filter(([, { isOn }]) => isOn);
      return {
        id: Buffer.from(versionKey.slice(key.length + 1), 'hex').toString(),
        weight: weights.get(token) ?? 0,
        endpoints: servers.flatMap(([name]) => endpointOf(name) ?? []),
        inFlight: inFlight.get(token) ?? 0,
      };
    });
  const place = (id: string): number => (order.includes(id) ? order.indexOf(id) : order.length);
  return { app, fence, versions: versions.toSorted((a, b) => place(a.id) - place(b.id)) };
}

/** An answer of a worker that a reload has replaced, and the last token it can have known. */
export interface OldAnswer {
  readonly text: string;
  readonly serial: number;
}

/** Token → requests and upgraded connections under way, in all workers. */
export async function countInFlight(
  tokens: readonly string[],
  runtimeSocket: string,
  askOld: (line: string) => Promise<readonly OldAnswer[]>,
): Promise<Map<string, number>> {
  const current = parseBackends(await say(runtimeSocket, tokens.map((token) => `show stat ${backendOf(token)} 2 -1`).join('; ')));
  const old = (await askOld('show stat -1 2 -1')).map(({ text, serial }) => ({ counts: parseBackends(text), serial }));
  return new Map(
    tokens.map((token) => {
      const before = old
        .filter(({ serial }) => serialOf(token) <= serial)
        .reduce((sum, { counts }) => sum + (counts.get(backendOf(token))?.inFlight ?? 0), 0);
      return [token, (current.get(backendOf(token))?.inFlight ?? 0) + before];
    }),
  );
}

export async function allBackends(runtimeSocket: string): Promise<Map<string, BackendCounts>> {
  return parseBackends(await say(runtimeSocket, 'show stat -1 2 -1'));
}

/** Backends in which something is under way. */
export function busyOf(backends: ReadonlyMap<string, BackendCounts>): string[] {
  return [...backends].filter(([, { inFlight }]) => inFlight > 0).map(([backend]) => backend);
}
