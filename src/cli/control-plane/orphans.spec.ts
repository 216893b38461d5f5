import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PART_OF } from '../../core/app/part-of.ts';
import { endOrphans } from './orphans.ts';

let workspace: string;
const started: number[] = [];
beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'sluice-orphans-'));
});
afterEach(async () => {
  for (const pid of started.splice(0))
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, as it was to.
    }
  await rm(workspace, { recursive: true });
});

/** A process that belongs to this workspace, up and with its answer to SIGTERM in place. */
async function orphan(onTerm: string): Promise<{ readonly pid: number; readonly ended: Promise<unknown> }> {
  const script = `process.on('SIGTERM', () => { ${onTerm} }); setInterval(() => {}, 1000); console.log('up')`;
  const child = spawn(process.execPath, ['-e', script], {
    env: { [PART_OF]: join(workspace, '.sluice/apps') },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  started.push(child.pid ?? 0);
  return { pid: child.pid ?? 0, ended };
}

describe.skipIf(process.platform !== 'linux')('what is left of a workspace (elsewhere than on Linux it is not found)', () => {
  test('is asked to end, and ends', async () => {
    const { ended } = await orphan('process.exit(7)');
    expect(await endOrphans(workspace)).toBe(1);
    expect(await ended).toEqual([7, null]);
    expect(await endOrphans(workspace)).toBe(0);
  });

  test('is made to when it does not', async () => {
    const { ended } = await orphan('');
    expect(await endOrphans(workspace, { drainMs: 100, killMs: 30_000 })).toBe(1);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });

  test('is named when it stays, and never counted as ended', async () => {
    const { pid } = await orphan('');
    // No time for SIGKILL, as for a process that hangs in the kernel.
    const ending = endOrphans(workspace, { drainMs: 200, killMs: 0 });
    await expect(ending).rejects.toMatchObject({
      blame: 'outside',
      code: 'ORPHANS_LEFT',
      message: `these processes of the workspace do not end: ${pid}`,
      hint: expect.stringContaining('by hand'),
    });
    expect(() => process.kill(pid, 0)).not.toThrow();
  });
});
