import { type Listener, answering } from '../../../lib/sockets.ts';

/** What can be known of the listening sockets of this machine when one instance is looked at. */
export interface Sockets {
  readonly listeners: readonly Listener[];
  /** Inodes of the sockets that the instance's processes are seen to have. */
  readonly own: ReadonlySet<string>;
  /** User of the instance's processes that cannot be looked into (a program with capabilities, for example); null: all can. */
  readonly hiddenUid: number | null;
  /** Who has a socket that is not the instance's own. */
  owner(listener: Listener): Owner | null;
}

export interface Owner {
  readonly pid: number;
  readonly name: string;
}

/** Programs that listen for a container which the instance started, from a process outside of it. */
const CONTAINER_PROXIES: ReadonlySet<string> = new Set(['docker-proxy', 'rootlessport', 'rootlesskit', 'slirp4netns', 'pasta', 'conmon']);

/**
 * Why an answer at 127.0.0.1:`port` is not the instance's own, one phrase; null when it is.
 * An answer of another program must never stand for the instance: a socket counts as its own when one of its processes has
 * it, or when no process that can be seen has it and the instance has one of that user that cannot be looked into.
 */
export function strangerAt(sockets: Sockets, port: number): string | null {
  const { own, hiddenUid } = sockets;
  const found = answering(sockets.listeners, port);
  // The kernel may hand a connection to any of several sockets at one address, so all of them have to be its own.
  const foreign = found.find(({ inode }) => !own.has(inode));
  if (found.length > 0 && foreign === undefined) return null;
  if (foreign === undefined) return `port ${port} answers, but no socket of this machine listens there`;
  const owner = sockets.owner(foreign);
  if (owner === null ? foreign.uid === hiddenUid : CONTAINER_PROXIES.has(owner.name)) return null;
  const isThere = sockets.listeners.some((one) => one.port === port && own.has(one.inode));
  const who = owner === null ? `a process of another user (uid ${foreign.uid})` : `${owner.name} (pid ${owner.pid})`;
  return `port ${port} is answered by ${who}, which is not part of it${isThere ? '' : (elsewhere(sockets, port) ?? '')}`;
}

/** Where the instance listens in place of its port, as the end of a sentence; null when it cannot be known. */
export function elsewhere({ listeners, own, hiddenUid }: Sockets, port: number): string | null {
  if (hiddenUid !== null) return null;
  const mine = listeners.filter(({ inode }) => own.has(inode));
  if (mine.length === 0) return `; it listens on no TCP port (it was given ${port} in PORT)`;
  const atPort = mine.filter((one) => one.port === port);
  if (atPort.length > 0)
    return `; it listens on ${shown(atPort.map(addressText))}, which does not reach 127.0.0.1: listen on 127.0.0.1 or on all addresses`;
  const ports = mine.map((one) => (isLocal(one.address) ? String(one.port) : addressText(one)));
  return `; it listens on ${shown(ports)}, was given ${port} (in PORT)`;
}

function shown(texts: readonly string[]): string {
  const all = [...new Set(texts)];
  return all.length <= 3 ? all.join(', ') : `${all.slice(0, 3).join(', ')} and ${all.length - 3} more`;
}

function isLocal(address: string): boolean {
  return ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(address);
}

function addressText({ address, port }: Listener): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
