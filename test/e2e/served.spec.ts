import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createWorld, type World } from './world.ts';

/** What is called released is what users get: an app without a health path, as a first configuration has it. */
const configOf = (port: number) => () => ({
  workspace: 'e2e',
  apps: {
    web: { path: 'web', run: 'node app.cjs', routes: ['/'], strategy: { kind: 'allAtOnce', soak: '1s' }, deadlines: { healthy: '20s' } },
  },
  environments: { production: { edge: { kind: 'embedded', port } } },
});

async function commit(world: World, script: string): Promise<void> {
  await writeFile(join(world.dir, 'web/app.cjs'), script);
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', 'add', '-A'], { cwd: world.dir });
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '-qm', 'next'], { cwd: world.dir });
}

const serving = (answer: string, port = 'process.env.PORT') =>
  `require('http').createServer((q, r) => { ${answer} }).listen(${port}, '127.0.0.1');\n`;

it('an app that users cannot reach is never Succeeded, and the one before goes on serving', { timeout: 400_000 }, async () => {
  const world = await createWorld({ apps: { web: 'accounts' }, config: configOf(0) });
  try {
    await world.start();
    await commit(world, serving(`r.end('one')`));
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const url = await world.edgeUrl();
    const users = async (): Promise<string> => (await fetch(url)).text();
    expect(await users()).toBe('one');

    await commit(world, serving(`r.end('two')`, '0'));
    const elsewhere = await world.deploy();
    expect(await world.outcome(elsewhere)).toBe('Failed');
    expect(JSON.stringify(await world.events(elsewhere))).toMatch(/it listens on \d+, was given \d+ \(in PORT\)/);
    expect(await users()).toBe('one');

    await commit(world, serving(`r.statusCode = 503; r.end('three')`));
    const away = await world.deploy();
    expect(await world.outcome(away)).toBe('RolledBack');
    expect(JSON.stringify(await world.events(away))).toContain('/ is answered with 503 (three), when asked through the edge');
    expect(await users()).toBe('one');

    await commit(world, `${serving(`r.end('four')`)}setTimeout(() => { throw new Error('no table'); }, 1500);\n`);
    const crashing = await world.deploy();
    expect(await world.outcome(crashing)).toMatch(/^(RolledBack|Failed)$/);
    expect(await users()).toBe('one');
  } finally {
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});

it('a port that another program has costs no build, and the release ends at once', { timeout: 200_000 }, async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const world = await createWorld({ apps: { web: 'accounts' }, config: configOf(port) });
  try {
    await world.start();
    await commit(world, serving(`r.end('one')`));
    const release = await world.deploy();
    expect(await world.outcome(release)).toBe('Errored');
    const events = await world.events(release);
    expect(JSON.stringify(events)).toContain(`(pid ${process.pid}) has the port`);
    expect(events.map(({ type }) => type)).not.toContain('ArtifactBuilt');
    expect((events.at(-1)?.at ?? 0) - (events[0]?.at ?? 0)).toBeLessThan(60_000);
  } finally {
    other.close();
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});
