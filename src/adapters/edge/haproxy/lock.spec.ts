import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selfCommand } from '../../../lib/spawn-self.ts';
import { becomeKeeper } from './lock.ts';

test('of many that try at once exactly one becomes keeper, and one after its death', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-lock-'));
  const entry = join(dir, 'contender.ts');
  const lock = new URL('./lock.ts', import.meta.url).href;
  await writeFile(join(dir, 'package.json'), '{ "type": "module" }');
  await writeFile(
    entry,
    `import { becomeKeeper } from ${JSON.stringify(lock)};\nprocess.send?.(await becomeKeeper(${JSON.stringify(dir)}));\nsetInterval(() => {}, 1000);\n`,
  );
  const [program = '', ...args] = selfCommand(new URL(`file://${entry}`));
  const contenders = Array.from({ length: 3 }, () => spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
  try {
    const results = await Promise.all(contenders.map((child) => new Promise<unknown>((resolve) => child.once('message', resolve))));
    expect(results.filter((won) => won === true)).toHaveLength(1);
    expect(await becomeKeeper(dir)).toBe(false);
    await Promise.all(contenders.map((child) => new Promise((resolve) => child.once('exit', resolve) && child.kill('SIGKILL'))));
    const attempts = await Promise.all([becomeKeeper(dir), becomeKeeper(dir), becomeKeeper(dir)]);
    expect(attempts.filter((won) => won)).toHaveLength(1);
    expect((await readdir(dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  } finally {
    for (const child of contenders) child.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  }
}, 60_000);
