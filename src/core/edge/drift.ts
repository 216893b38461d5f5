import type { EdgeObservation, EdgeVersion, Endpoint } from '../app/traffic.ts';

/** What an edge should do for an app that no release is at work on: all traffic to its stable version. */
export interface Recorded {
  readonly stable: string;
  /** Where the platform says that the stable version listens. */
  readonly endpoints: readonly Endpoint[];
}

/** How what the edge does differs from the record, as one phrase; null when it does not. `seen` null: it does not know the app. */
export function edgeDrift({ stable, endpoints }: Recorded, seen: EdgeObservation | null): string | null {
  if (seen === null) return 'the edge does not route it';
  const serving = seen.versions.filter(({ weight }) => weight > 0);
  const mine = seen.versions.find(({ id }) => id === stable);
  if (mine === undefined || mine.weight !== 100) return `the edge sends ${shares(serving)} and not 100 % to ${stable}`;
  const [wanted, has] = [addresses(endpoints), addresses(mine.endpoints)];
  return wanted === has ? null : `the edge sends its traffic to ${has === '' ? 'no address' : has}, but it listens on ${wanted}`;
}

/** The intent's versions that mend it. */
export function mending({ stable, endpoints }: Recorded): readonly EdgeVersion[] {
  return [{ id: stable, weight: 100, endpoints }];
}

function addresses(endpoints: readonly Endpoint[]): string {
  return endpoints
    .map(({ host, port }) => `${host}:${port}`)
    .toSorted()
    .join(', ');
}

function shares(versions: readonly { readonly id: string; readonly weight: number }[]): string {
  return versions.length === 0 ? 'nothing anywhere' : versions.map(({ id, weight }) => `${weight} % to ${id}`).join(', ');
}
