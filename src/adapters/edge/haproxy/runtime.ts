import { connect } from 'node:net';
import { OutsideError } from '../../../core/errors.ts';
import { addressText, SERVER_OPTIONS } from './config.ts';
import { type Address, type Layout, MAPS, type MapName } from './layout.ts';

const CALL_MS = 5_000;
/** A line longer than HAProxy's buffer (16 KiB) is refused. */
const LINE_BYTES = 12_000;

/** What HAProxy holds now, read from its runtime API. */
export interface Holding {
  readonly maps: Readonly<Record<MapName, ReadonlyMap<string, string>>>;
  /** Backend → server name → where it points, and whether it takes requests. */
  readonly servers: ReadonlyMap<string, ReadonlyMap<string, Address & { readonly isOn: boolean }>>;
}

/** Send one line to a socket of HAProxy's and return all it says. */
export function say(socketPath: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let text = '';
    const fail = (error: Error): void => {
      socket.destroy();
      reject(
        new OutsideError(
          'HAPROXY_UNREACHABLE',
          `HAProxy does not answer on ${socketPath}: ${error.message}`,
          'Run the command again; see haproxy.log in the folder of the edge.',
          error,
        ),
      );
    };
    socket.setTimeout(CALL_MS, () => fail(new Error(`nothing within ${CALL_MS} ms`)));
    socket.on('error', fail);
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('close', (hadError) => hadError || resolve(text));
    socket.end(`${line}\n`);
  });
}

export async function readHolding(socketPath: string): Promise<Holding> {
  const [routes, versions, splits, servers] = await Promise.all([
    ...MAPS.map((name) => say(socketPath, `show map ${name}.map`)),
    say(socketPath, 'show servers state'),
  ]);
  return {
    maps: { routes: parseMap(routes ?? ''), versions: parseMap(versions ?? ''), splits: parseMap(splits ?? '') },
    servers: parseServers(servers ?? ''),
  };
}

/** Answer of `show map`: `0xaddress key value` a line. */
export function parseMap(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [reference = '', key = '', value = ''] = line.split(' ');
    if (reference.startsWith('0x')) map.set(key, value);
  }
  return map;
}

/** Answer of `show servers state`, format 1. */
export function parseServers(text: string): Map<string, Map<string, Address & { isOn: boolean }>> {
  const backends = new Map<string, Map<string, Address & { isOn: boolean }>>();
  const lines = text.split('\n');
  const columns = (lines.find((line) => line.startsWith('# ')) ?? '').slice(2).split(' ');
  const at = (fields: readonly string[], name: string): string => fields[columns.indexOf(name)] ?? '';
  for (const line of lines) {
    const fields = line.split(' ');
    if (fields.length < columns.length || line.startsWith('#')) continue;
    const servers = backends.get(at(fields, 'be_name')) ?? new Map<string, Address & { isOn: boolean }>();
    backends.set(at(fields, 'be_name'), servers);
    // Bits of SRV_ADMF_*: forced (1), inherited (2), configured (4) and resolution (32) maintenance.
    const isOn = (Number(at(fields, 'srv_admin_state')) & (1 | 2 | 4 | 32)) === 0;
    servers.set(at(fields, 'srv_name'), { ip: at(fields, 'srv_addr'), port: Number(at(fields, 'srv_port')), isOn });
  }
  return backends;
}

export interface BackendCounts {
  /** Requests and upgraded connections under way. */
  readonly inFlight: number;
  /** Requests since the worker started. */
  readonly begun: number;
  /** Those that ended with a status, if only -1 because the client had left. */
  readonly finished: number;
}

/** What `show stat` says about backends. */
export function parseBackends(text: string): Map<string, BackendCounts> {
  const counts = new Map<string, BackendCounts>();
  const lines = text.split('\n');
  const columns = (lines.find((line) => line.startsWith('# ')) ?? '').slice(2).split(',');
  for (const line of lines) {
    const fields = line.split(',');
    const number = (name: string): number => Number(fields[columns.indexOf(name)] ?? 0);
    if (fields[1] === 'BACKEND')
      counts.set(fields[0] ?? '', { inFlight: number('scur'), begun: number('stot'), finished: number('req_tot') });
  }
  return counts;
}

/**
 * Commands that turn what HAProxy holds into what it should hold; none when it does. In this order, so that
 * a version can be reached before anybody is sent to it, and nobody is sent to one that cannot be reached.
 * Servers of backends that lost their version stay until nothing is under way there (`leftovers`).
 */
export function commandsFor(layout: Layout, holding: Holding): string[] {
  const commands: string[] = [];
  for (const [backend, wanted] of layout.servers) {
    const present = holding.servers.get(backend);
    for (const [name, address] of wanted) commands.push(...serverCommands(`${backend}/${name}`, address, present?.get(name)));
  }
  for (const name of ['versions', 'splits', 'routes'] as const) commands.push(...additions(name, layout[name], holding.maps[name]));
  for (const name of ['routes', 'splits', 'versions'] as const) commands.push(...removals(name, layout[name], holding.maps[name]));
  for (const [backend, wanted] of layout.servers) {
    for (const [name, { isOn }] of holding.servers.get(backend) ?? [])
      if (isOn && !wanted.has(name)) commands.push(`disable server ${backend}/${name}`);
  }
  return commands;
}

function serverCommands(name: string, wanted: Address, present: (Address & { isOn: boolean }) | undefined): string[] {
  if (present === undefined) return [`add server ${name} ${addressText(wanted)} ${SERVER_OPTIONS}`, `enable server ${name}`];
  const moved = present.ip !== wanted.ip || present.port !== wanted.port;
  return [
    ...(moved ? [`set server ${name} addr ${wanted.ip} port ${wanted.port}`] : []),
    ...(present.isOn ? [] : [`enable server ${name}`]),
  ];
}

function additions(name: MapName, wanted: ReadonlyMap<string, string>, present: ReadonlyMap<string, string>): string[] {
  return [...wanted]
    .filter(([key, value]) => present.get(key) !== value)
    .map(([key, value]) => `${present.has(key) ? 'set' : 'add'} map ${name}.map ${key} ${value}`);
}

function removals(name: MapName, wanted: ReadonlyMap<string, string>, present: ReadonlyMap<string, string>): string[] {
  return [...present.keys()].filter((key) => !wanted.has(key)).map((key) => `del map ${name}.map ${key}`);
}

/** Commands put together into lines that HAProxy takes at once. */
export function linesOf(commands: readonly string[]): string[] {
  const lines: string[] = [];
  for (const command of commands) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + command.length < LINE_BYTES) lines[lines.length - 1] = `${last}; ${command}`;
    else lines.push(command);
  }
  return lines;
}

/** Servers of backends no version has, and servers turned off: what may go once nothing is under way there. */
export function leftovers(layout: Layout, holding: Holding): { readonly backend: string; readonly name: string; readonly isOn: boolean }[] {
  return [...holding.servers].flatMap(([backend, servers]) =>
    [...servers]
      .filter(([name]) => backend !== 'relay' && !(layout.servers.get(backend)?.has(name) ?? false))
      .map(([name, { isOn }]) => ({ backend, name, isOn })),
  );
}
