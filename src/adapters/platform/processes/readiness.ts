import { connect } from 'node:net';
import type { DeployTarget } from '../../../ports/platform.ts';
import type { StatusRange } from '../../../core/app/run.ts';
import { askHttp, type HttpAnswer } from '../../../lib/ask-http.ts';
import { allListeners, answering, commandOf, holderOf, type Listener, nameOf, pidsOf, socketsOf, uidOf } from '../../../lib/sockets.ts';
import { within } from '../../../lib/within.ts';
import { membersOf } from '../../../supervisor/group.ts';
import { elsewhere, type Owner, type Sockets, strangerAt } from './port-owner.ts';
import type { ProcessIdentity } from '../../../supervisor/records.ts';

/** Time one look may take where the app names none, ms. */
const LOOK_TIMEOUT_MS = 5_000;
const OK: readonly StatusRange[] = [{ from: 200, to: 299 }];

/** What an instance that listens is asked, for people. */
export function askedOf({ health, routed }: DeployTarget): string {
  if (health !== null) return `GET ${health.path}`;
  return routed === true ? 'any answer over HTTP' : 'a connection';
}

/**
 * Ask one instance at its own port on loopback, and see that the answer is its own. `explain`: say where it listens instead,
 * which takes a look at all processes.
 * @returns why it is not ready, as the end of a sentence that begins with the instance; null when it is.
 */
export async function unreadiness(
  target: DeployTarget,
  port: number,
  leader: ProcessIdentity,
  folder: string,
  explain: boolean,
  signal: AbortSignal,
): Promise<string | null> {
  const { health, routed } = target;
  const isHttp = health !== null || routed === true;
  const why = isHttp ? complaintAbout(await ask(target, port, signal), target) : await unconnected(port, signal);
  if (why !== null && !explain) return why;
  const sockets = socketsFor(leader, folder);
  if (sockets === null) return why;
  const stranger = strangerAt(sockets, port);
  if (why === null) return stranger;
  return answering(sockets.listeners, port).length === 0
    ? why + (elsewhere(sockets, port) ?? '')
    : `${why}${stranger === null ? '' : `; ${stranger}`}`;
}

function ask({ health }: DeployTarget, port: number, signal: AbortSignal): Promise<HttpAnswer> {
  const headers = { 'user-agent': 'sluice-health', ...(health?.host === undefined ? {} : { host: health.host }) };
  const timeoutMs = health?.timeoutMs ?? LOOK_TIMEOUT_MS;
  return askHttp({ address: '127.0.0.1', port, path: health?.path ?? '/', headers, timeoutMs }, signal);
}

/** Without a health path any answer over HTTP will do: what `/` means is the app's own business. */
function complaintAbout(answer: HttpAnswer, { health }: DeployTarget): string | null {
  const path = health?.path ?? '/';
  switch (answer.kind) {
    case 'answer':
      if (health === null || (health.statuses ?? OK).some(({ from, to }) => answer.status >= from && answer.status <= to)) return null;
      return `answers ${path} with status ${answer.status}${redirectHint(answer.status)}`;
    case 'refused':
      return answer.code === 'ECONNREFUSED' ? 'does not listen yet' : `cannot be connected to: ${answer.code}`;
    case 'silent':
      return `has not answered ${path} within ${seconds(health?.timeoutMs ?? LOOK_TIMEOUT_MS)}`;
    case 'closed':
      return `closed the connection and did not answer ${path}`;
    case 'notHttp':
      return `answers with ${answer.what}`;
  }
}

function redirectHint(status: number): string {
  return status >= 300 && status < 400 ? ' (a redirect does not count as healthy; `health.status` can say that it does)' : '';
}

function unconnected(port: number, signal: AbortSignal): Promise<string | null> {
  const limit = within(signal, LOOK_TIMEOUT_MS);
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, signal: limit });
    socket.once('connect', () => {
      socket.destroy();
      resolve(null);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (limit.aborted) resolve(`has not accepted a connection within ${seconds(LOOK_TIMEOUT_MS)}`);
      else resolve(error.code === 'ECONNREFUSED' ? 'does not listen yet' : `cannot be connected to: ${error.code ?? error.message}`);
    });
  });
}

/** Null where sockets cannot be looked at: then the answer alone has to do. */
function socketsFor(leader: ProcessIdentity, folder: string): Sockets | null {
  const listeners = allListeners();
  if (listeners === null) return null;
  const members = membersOf(leader, folder).map((pid) => ({ pid, sockets: socketsOf(pid) }));
  const hidden = members.find(({ sockets }) => sockets === null);
  const own = new Set(members.flatMap(({ sockets }) => [...(sockets ?? [])]));
  return { listeners, own, hiddenUid: hidden === undefined ? null : uidOf(hidden.pid), owner: ownerOf };
}

function ownerOf({ inode, port }: Listener): Owner | null {
  return holderOf(inode) ?? containerProxyOf(port);
}

/** Docker's proxy runs as root, so that its sockets cannot be seen by others; its arguments can, and name the port. */
function containerProxyOf(port: number): Owner | null {
  const pid = pidsOf().find((one) => {
    const command = commandOf(one);
    return command[0]?.endsWith('docker-proxy') === true && command[command.indexOf('-host-port') + 1] === String(port);
  });
  return pid === undefined ? null : { pid, name: nameOf(pid) };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
