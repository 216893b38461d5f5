import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { edgeContract } from '../../../../test/contracts/edge.ts';
import { until } from '../../../../test/worlds/visitor.ts';
import { isAlive } from '../../../lib/process-identity.ts';
import { haproxyBinary } from './binary.ts';
import { haproxyEdge } from './haproxy.ts';

const missing = await haproxyBinary().then(
  () => null,
  (error: Error) => error.message,
);

async function killed(dir: string): Promise<void> {
  const { pid, startTime } = JSON.parse(await readFile(join(dir, 'haproxy.json'), 'utf8')) as { pid: number; startTime: string };
  process.kill(-pid, 'SIGKILL');
  await until(
    () => isAlive(pid, startTime),
    (alive) => !alive,
  );
}

// A file without tests would be a mistake to the runner; this one says why there are none.
if (missing !== null) test.skipIf(true)(`edge: haproxy (skipped: ${missing})`, () => expect(missing).toBeNull());
else {
  edgeContract(
    'haproxy',
    async () => {
      const dir = await mkdtemp(join(tmpdir(), 'sluice-haproxy-'));
      const edge = haproxyEdge({ dir, port: 0 });
      return {
        edge,
        url: await edge.ensure(),
        restart: async () => {
          await killed(dir);
          await edge.ensure();
        },
        stop: async () => {
          await edge.stop();
          await rm(dir, { recursive: true, force: true });
        },
      };
    },
    {
      deviations: {
        'a version that dies before it answers: 502, failed, and nothing is sent twice that may not be':
          'HAProxy closes a client connection that has carried a request before, instead of answering 502; counted as failed all the same (tested below)',
        'a request that may not be sent twice takes no connection that has been idle, and may be closing':
          'HAProxy reuses idle connections for every method; where it is woken by a request and a close together, it may take the request first. It drops them after 1 s, before servers close theirs',
      },
    },
  );
}
