import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { UserError } from '../../core/errors.ts';

/**
 * Start listening; loopback unless told otherwise. Port 0: any free one.
 * @returns the address clients use.
 * @throws UserError `PORT_IN_USE`, `PORT_FORBIDDEN`, `HOST_UNKNOWN`.
 */
export async function listen(server: FastifyInstance, options: { readonly host?: string; readonly port?: number }): Promise<string> {
  const { host = '127.0.0.1', port = 0 } = options;
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw (await explained(error as NodeJS.ErrnoException, host, port)) ?? error;
  }
  const address = server.addresses()[0] as AddressInfo | undefined;
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${address?.port ?? port}`;
}

async function explained(error: NodeJS.ErrnoException, host: string, port: number): Promise<UserError | null> {
  switch (error.code) {
    case 'EADDRINUSE':
      return new UserError(
        'PORT_IN_USE',
        `port ${port} on ${host} is taken by ${(await isSluice(host, port)) ? 'another Sluice control plane' : 'another program'}`,
        `\`ss -ltnp sport = :${port}\` (or \`lsof -i :${port}\`) says which. Stop it, or choose another port with \`sluice server --port\`.`,
        error,
      );
    case 'EACCES':
      return new UserError(
        'PORT_FORBIDDEN',
        `port ${port} may only be used by root`,
        'Choose one from 1024 up with `sluice server --port`.',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        'HOST_UNKNOWN',
        `this machine has no address ${host}`,
        'Give one of its own addresses with `sluice server --host`, or leave it out for loopback.',
        error,
      );
    default:
      return null;
  }
}

/** Only a control plane answers with this code when no token is sent. */
async function isSluice(host: string, port: number): Promise<boolean> {
  try {
    const asked = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    const answer = await fetch(`http://${asked.includes(':') ? `[${asked}]` : asked}:${port}/v1/health`, {
      signal: AbortSignal.timeout(1000),
    });
    const body = (await answer.json()) as { code?: unknown } | null;
    return body?.code === 'UNAUTHORIZED';
  } catch {
    return false;
  }
}
