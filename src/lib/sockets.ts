import { PART_OF } from '../core/app/part-of.ts';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/*
 * Who listens where on this machine, read from /proc (proc(5)). The pure part takes texts, so that it can be tried with
 * any table; elsewhere than on Linux nothing can be known, and that is said by null.
 */

/** A TCP socket that listens. */
export interface Listener {
  /** `127.0.0.1`, `0.0.0.0`, `::1`, `::`, … */
  readonly address: string;
  readonly port: number;
  readonly inode: string;
  readonly uid: number;
}

const LISTENING = '0A';

/** The listening sockets in a text of `/proc/net/tcp` or `/proc/net/tcp6`. Lines that are not understood are left out. */
export function listenersIn(table: string): Listener[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = '', , state, , , , uid = '', , inode = ''] = fields;
      const [hex = '', port = ''] = local.split(':');
      const address = addressOf(hex);
      return state === LISTENING && address !== null ? [{ address, port: Number.parseInt(port, 16), inode, uid: Number(uid) }] : [];
    });
}

/** The kernel prints an address as 32-bit words in the machine's byte order, which is little-endian on all that Node runs on. */
function addressOf(hex: string): string | null {
  if (!/^(?:[0-9A-F]{8}|[0-9A-F]{32})$/i.test(hex)) return null;
  const bytes = Buffer.from(hex, 'hex');
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Those of the sockets that a connection to 127.0.0.1 at this port ends at: the kernel prefers the most exact address. */
export function answering(listeners: readonly Listener[], port: number): readonly Listener[] {
  const here = listeners.filter((one) => one.port === port);
  for (const address of ['127.0.0.1', '0.0.0.0', '::']) {
    const found = here.filter((one) => one.address === address);
    if (found.length > 0) return found;
  }
  return [];
}

/** All listening sockets of this network namespace; null where they cannot be read. */
export function allListeners(): readonly Listener[] | null {
  const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].map(read).filter((text) => text !== null);
  return tables.length === 0 ? null : tables.flatMap(listenersIn);
}

/** Inodes of the sockets that a process has open; null where another user's process keeps them to itself. */
export function socketsOf(pid: number): ReadonlySet<string> | null {
  try {
    const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [inode];
    });
    return new Set(inodes);
  } catch {
    return null;
  }
}

/** The process that has a socket open, among all that can be looked at; null when none of those has it. */
export function holderOf(inode: string): { readonly pid: number; readonly name: string } | null {
  for (const pid of pidsOf()) if (socketsOf(pid)?.has(inode) === true) return { pid, name: nameOf(pid) };
  return null;
}

export function nameOf(pid: number): string {
  return read(`/proc/${pid}/comm`)?.trim() ?? 'unknown';
}

/** Who listens at a port, for people: `node (pid 812)`; null where that cannot be seen, or no process does. */
export function holderAt(port: number): string | null {
  const holders = (allListeners() ?? []).filter((one) => one.port === port).map(({ inode }) => holderOf(inode));
  const holder = holders.find((one) => one !== null);
  if (holder == null) return null;
  const part = read(`/proc/${holder.pid}/environ`)
    ?.split('\0')
    .find((entry) => entry.startsWith(`${PART_OF}=`));
  return `${holder.name} (pid ${holder.pid}${part === undefined ? '' : `, part of ${part.slice(PART_OF.length + 1)}`})`;
}

/** Effective user of a process; null when it is gone. */
export function uidOf(pid: number): number | null {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return uid === undefined ? null : Number(uid);
}

export function pidsOf(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return [];
  }
}

/** Command line of a process, whose it may be; empty when it is gone. */
export function commandOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
