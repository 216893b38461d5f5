import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { edgeContract } from '../../../test/contracts/edge.ts';
import { until } from '../../../test/worlds/visitor.ts';
import { isAlive } from '../_shared/process-identity.ts';
import { embeddedEdge } from './embedded.ts';

edgeContract('embedded', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-edge-'));
  const edge = embeddedEdge({ dir, port: 0 });
  return {
    edge,
    url: await edge.ensure(),
    restart: async () => {
      const { pid, startTime } = JSON.parse(await readFile(join(dir, 'edge.json'), 'utf8')) as { pid: number; startTime: string };
      process.kill(pid, 'SIGKILL');
      await until(() => isAlive(pid, startTime), (alive) => !alive);
      await edge.ensure();
    },
    stop: async () => {
      await edge.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
