import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CommandLineWorld, commandLineWorld } from '../../../../test/worlds/command-line.ts';
import { COMMANDS } from '../../command-table.ts';
import { NO_VALUES, treeOf } from './complete.ts';
import { printed } from './completion.ts';

/** What a shell is told, one candidate a line. */
async function candidates(words: readonly string[], values = NO_VALUES): Promise<readonly string[]> {
  const entry = COMMANDS.find(({ path }) => path.every((word, i) => words[i] === word));
  const tree = treeOf(COMMANDS, entry, entry === undefined ? null : await entry.load(), values);
  const lines = printed(() => tree.parse([...words])).split('\n');
  return lines.filter((line) => !line.startsWith(':') && line !== '').map((line) => line.split('\t')[0] ?? '');
}

const VALUES = { environments: ['production', 'staging'], apps: ['api', 'web'], releases: ['r-1'] };

describe('completion', () => {
  test('knows every command, and those of a group', async () => {
    const first = await candidates(['']);
    expect(first).toEqual(expect.arrayContaining(['deploy', 'status', 'db', 'scan']));
    expect(await candidates(['dep'])).toEqual(['deploy']);
    expect(await candidates(['db', 'mi'])).toEqual(['migrate']);
  });

  test('knows the options of a command, and the environments that may follow one', async () => {
    expect(await candidates(['deploy', '--y'])).toEqual(['--yes']);
    expect(await candidates(['deploy', '--env', ''], VALUES)).toEqual(['production', 'staging']);
    expect(await candidates(['deploy', '--env', 'st'], VALUES)).toEqual(['staging']);
  });

  test('knows apps and releases as far as the control plane does', async () => {
    expect(await candidates(['deploy', ''], VALUES)).toEqual(['api', 'web']);
    expect(await candidates(['abort', ''], VALUES)).toEqual(['r-1']);
    expect(await candidates(['deploy', ''])).toEqual([]);
  });
});

describe('the commands', { timeout: 120_000 }, () => {
  let world: CommandLineWorld;
  beforeEach(async () => {
    world = await commandLineWorld();
  });
  afterEach(() => world.close());

  test.each(['bash', 'zsh', 'fish'])('a script for %s asks for candidates', async (shell) => {
    const { exit, out } = await world.spawn(['completion', shell]);
    expect(exit).toBe(0);
    expect(out).toContain('sluice complete --');
  });

  test('another shell is a mistake in the command line', async () => {
    expect((await world.spawn(['completion', 'tcsh'])).exit).toBe(2);
  });

  test('candidates come from the control plane that runs, and need none', async () => {
    const asked = await world.spawn(['complete', '--', 'deploy', '--env', 'prod']);
    expect(asked).toMatchObject({ exit: 0, err: '' });
    expect(asked.out).toContain('production');
    const alone = await world.spawn(['complete', '--', 'sta'], { env: { SLUICE_URL: 'http://127.0.0.1:1', SLUICE_TOKEN: 'x' } });
    expect(alone).toMatchObject({ exit: 0, err: '' });
    expect(alone.out).toContain('status');
  });
});
