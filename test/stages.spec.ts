import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PREPARATIONS } from '../src/core/release/preparations/index.ts';

const root = join(import.meta.dirname, '..');
/** Files of the room that are no stage: the shape, the order, and what goes through all stages. */
const SHARED = ['fold', 'index', 'prepare', 'stage'];

it('docs/architecture.md lists the stages before the rollouts in their order, with their keys and events', async () => {
  const text = await readFile(join(root, 'docs/architecture.md'), 'utf8');
  const [, section = ''] = text.split('### The stages before the rollouts\n');
  const [table = ''] = section.split('\n\n').filter((part) => part.startsWith('| stage |'));
  const [, , ...rows] = table.split('\n');
  const told = PREPARATIONS.map(({ name, planned, during, events }) => {
    const cells = [[name], [planned], [during], Object.keys(events)];
    return `| ${cells.map((words) => words.map((word) => `\`${word}\``).join(', ')).join(' | ')} |`;
  });
  expect(rows).toEqual(told);
});

it('each stage before the rollouts is one file of its room', async () => {
  const files = (await readdir(join(root, 'src/core/release/preparations'))).filter((name) => !name.endsWith('.spec.ts'));
  const names = files.map((name) => name.replace('.ts', '')).filter((name) => !SHARED.includes(name));
  expect(names.toSorted()).toEqual(PREPARATIONS.map(({ name }) => name).toSorted());
});

it('no two stages before the rollouts bring the same event or read the same key of the plan', () => {
  const types = PREPARATIONS.flatMap(({ events }) => Object.keys(events));
  const keys = PREPARATIONS.map(({ planned }) => planned);
  expect(new Set(types).size).toBe(types.length);
  expect(new Set(keys).size).toBe(keys.length);
});
