import { createServer, type AddressInfo } from 'node:net';

/** A port of loopback that nobody listens on now. Another may take it first: prefer port 0 where the program under test can say what it got. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
