import type { Client } from './client.ts';
import type { LiveRules } from './live-rules.ts';

/** Descriptors that are no connection: files, the ports that listen, and the control port with its calls. */
const OWN_DESCRIPTORS = 64;
/** Share of the other descriptors that users may hold; the rest is for connections to versions. */
const USERS_SHARE = 0.75;
/** How many connections are closed at a time, as a share of all: looking for them takes a look at each. */
const SHED_SHARE = 1 / 64;

export interface RoomOptions {
  /** All clients connected now. */
  readonly clients: Set<Client>;
  readonly pool: { readonly size: number; shed(): void };
  /** How many descriptors this process may have open. */
  readonly descriptors: number;
  rules(): LiveRules;
  now(): number;
}

/**
 * Sees to it that users who do nothing cannot lock out others, the versions or the control port: before the descriptors (or the
 * configured limits) run out, connections without a request are closed, then those with an unfinished head or body, and at
 * last those that do not take their answer; of each kind the one that has been so for longest.
 */
export interface Room {
  /** Count a client in. @returns false when there is no room for it: everybody has something under way. */
  admit(client: Client): boolean;
  leave(client: Client): void;
  /** A connection to a version is about to be opened. */
  makeRoom(): void;
}

export function createRoom({ clients, pool, descriptors, rules, now }: RoomOptions): Room {
  const byAddress = new Map<string, number>();
  const usable = Math.max(16, descriptors - OWN_DESCRIPTORS);
  const mostUsers = (): number => Math.min(rules().limits.connections ?? Number.POSITIVE_INFINITY, Math.floor(usable * USERS_SHARE));

  function leave(client: Client): void {
    if (!clients.delete(client)) return;
    const count = (byAddress.get(client.address) ?? 1) - 1;
    if (count === 0) byAddress.delete(client.address);
    else byAddress.set(client.address, count);
  }

  function shed(candidates: readonly Client[], count: number): void {
    for (const client of leastMissed(candidates, count, now())) {
      leave(client);
      client.socket.destroy();
    }
  }

  function hasRoom(address: string): boolean {
    const most = mostUsers();
    if (clients.size >= most) shed([...clients], Math.ceil(most * SHED_SHARE));
    const own = rules().isShared(address) ? null : rules().limits.connectionsPerAddress;
    const isFull = () => own !== null && (byAddress.get(address) ?? 0) >= own;
    if (own !== null && isFull())
      shed(
        [...clients].filter((client) => client.address === address),
        Math.ceil(own * SHED_SHARE),
      );
    return clients.size < most && !isFull();
  }

  return {
    admit(client) {
      if (!hasRoom(client.address)) return false;
      clients.add(client);
      byAddress.set(client.address, (byAddress.get(client.address) ?? 0) + 1);
      return true;
    },
    leave,
    makeRoom() {
      if (clients.size + pool.size < usable) return;
      pool.shed();
      if (clients.size + pool.size >= usable) shed([...clients], Math.ceil(usable * SHED_SHARE));
    },
  };
}

/** For so long a connection is taken for one that is about to ask or to go on, ms. */
const GRACE_MS = 1_000;

/** Of these clients the ones whose loss matters least, first; those that are served are not among them. */
function leastMissed(clients: readonly Client[], count: number, now: number): Client[] {
  return clients
    .flatMap((client) => {
      const found = rankOf(client);
      return found === null ? [] : [{ client, since: found.since, rank: now - found.since < GRACE_MS ? LAST_RANK : found.rank }];
    })
    .toSorted((a, b) => a.rank - b.rank || a.since - b.since)
    .slice(0, count)
    .map(({ client }) => client);
}

const LAST_RANK = 4;

function rankOf({ exchange, lingerSince, headSince, idleSince, socket }: Client): { rank: number; since: number } | null {
  if (lingerSince !== 0) return { rank: 0, since: lingerSince };
  if (exchange === null) return headSince === 0 ? { rank: 0, since: idleSince } : { rank: 1, since: headSince };
  if (exchange.isTunnel) return null;
  if (!exchange.request.done && exchange.answer === null && !socket.isPaused()) return { rank: 2, since: exchange.movedAt };
  return exchange.blockedAt === 0 ? null : { rank: 3, since: exchange.blockedAt };
}
