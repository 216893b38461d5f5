import { networkInterfaces } from 'node:os';
import type { IncomingMessage } from 'node:http';
import { UserError } from '../../core/errors.ts';

export interface HostNames {
  /** Address that the server listens on; loopback when left out. */
  readonly bound?: string;
  /** Where people and hosts of repositories reach it, such as `https://sluice.example.com`. */
  readonly publicUrl?: string;
  /** Addresses of this machine, asked for where the server listens on all of them. */
  readonly ownAddresses?: () => readonly string[];
}

const EVERYWHERE = new Set(['0.0.0.0', '::', '[::]']);

/**
 * Refuses requests that were not meant for this server. A page of another site can have its own name point at this machine (DNS
 * rebinding) and is then of the same origin for the browser, but its requests carry that name in `Host`, or the page's in `Origin`.
 * @throws UserError `HOST_NOT_ALLOWED`, `ORIGIN_NOT_ALLOWED`.
 */
export function refuseStrangers(request: Pick<IncomingMessage, 'headers' | 'rawHeaders'>, names: HostNames): void {
  const { host, origin } = request.headers;
  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host');
  if (hosts.length > 1 || !isOurs(hostnameOf(host ?? ''), names)) {
    throw new UserError(
      'HOST_NOT_ALLOWED',
      'the request names a host that this control plane does not go by',
      'Use its address, or start it with the name that people use: `sluice server --public-url https://sluice.example.com` (or SLUICE_PUBLIC_URL).',
    );
  }
  if (origin === undefined || isOurs(originHost(origin), names)) return;
  throw new UserError(
    'ORIGIN_NOT_ALLOWED',
    'the request comes from a page of another site',
    'Ask from a program, or from a page of the control plane itself.',
  );
}

function isOurs(name: string | null, { bound, publicUrl, ownAddresses = addressesOfMachine }: HostNames): boolean {
  if (name === null) return false;
  if (name === 'localhost' || /^127(\.\d+){3}$/.test(name) || name === '[::1]') return true;
  if (publicUrl !== undefined && name === originHost(publicUrl)) return true;
  if (bound === undefined) return false;
  return EVERYWHERE.has(bound)
    ? ownAddresses().some((address) => name === hostnameOf(bracketed(address)))
    : name === hostnameOf(bracketed(bound));
}

/** `example.com:4700` → `example.com`; null for what is no host and port. */
function hostnameOf(host: string): string | null {
  if (!/^[A-Za-z0-9._:[\]-]+$/.test(host) || !URL.canParse(`http://${host}`)) return null;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

function originHost(origin: string): string | null {
  return /^https?:\/\//i.test(origin) && URL.canParse(origin) ? new URL(origin).hostname : null;
}

function bracketed(address: string): string {
  const plain = address.replace(/%.*$/, '');
  return plain.includes(':') && !plain.startsWith('[') ? `[${plain}]` : plain;
}

function addressesOfMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
}
