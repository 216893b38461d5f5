import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { apiPage } from '../../scripts/api-page.ts';
import { cliPage } from '../../scripts/cli-page.ts';
import { memoryEngine } from '../../test/worlds/memory-engine.ts';
import { memoryPlanner } from '../../test/worlds/memory-planner.ts';
import { allRoutes } from '../server/http/create.ts';
import { COMMANDS } from './command-table.ts';
import { EXIT } from './session/exit.ts';
import { commandTree } from './program.ts';
import { processTerminal } from './session/terminal.ts';

const docs = join(import.meta.dirname, '../../docs');

test('docs/cli.md says every command, option and exit code that commander knows (make docs)', async () => {
  const terminal = processTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {} });
  const loaded = new Map(await Promise.all(COMMANDS.map(async (entry) => [entry, await entry.load()] as const)));
  const program = commandTree('0.0.0', terminal, loaded, () => Promise.reject(new Error('no command is run here')));
  const text = await cliPage();
  const sections = text.split(/^## /m);
  const common = sections.find((part) => part.startsWith('Options of every command')) ?? '';
  const leaves = program.commands.flatMap((one) =>
    one.commands.length === 0
      ? [{ path: one.name(), one }]
      : one.commands.map((child) => ({ path: `${one.name()} ${child.name()}`, one: child })),
  );
  expect(leaves.length).toBeGreaterThan(15);
  for (const { path, one } of leaves) {
    const section = sections.find((part) => part.startsWith(`sluice ${path}`)) ?? '';
    for (const option of one.options) expect(`${section}${common}`).toContain(`\`${option.flags}\` | ${option.description}`);
    for (const argument of one.registeredArguments) expect(section.split('\n')[0]).toContain(argument.name());
  }
  for (const code of Object.values(EXIT)) expect(text).toMatch(new RegExp(`^\\| ${code} \\| .+`, 'm'));
  await expect(text).toMatchFileSnapshot(join(docs, 'cli.md'));
});

test('docs/api.md says every route (make docs)', async () => {
  const routes = allRoutes({ engine: memoryEngine(), planner: memoryPlanner(), workspace: '/', version: '0.0.0' });
  const text = apiPage(routes);
  for (const route of routes) expect(text).toContain(`### ${route.method} ${route.url}\n\n${route.summary}`);
  await expect(text).toMatchFileSnapshot(join(docs, 'api.md'));
});
