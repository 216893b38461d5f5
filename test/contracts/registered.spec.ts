import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { edges } from '../../src/adapters/edge/index.ts';
import { metricSources } from '../../src/adapters/metrics/index.ts';
import { createOtlpIntake } from '../../src/adapters/metrics/otlp-intake.ts';
import type { NotifierSettings } from '../../src/adapters/notify/index.ts';
import { platforms } from '../../src/adapters/platform/index.ts';

/*
 * An adapter that is registered and has no contract is a promise that nothing checks. A contract is called with the adapter's
 * name, or with its name and more behind a space (`webhook slack`).
 */

const ADAPTERS = join(import.meta.dirname, '../../src/adapters');
const NOTIFIERS: Readonly<Record<NotifierSettings['kind'], true>> = { webhook: true, command: true, log: true };

test.each([
  ['platform', 'platformContract', Object.keys(platforms)],
  ['edge', 'edgeContract', Object.keys(edges)],
  ['metrics', 'metricContract', kindsOfMetrics()],
  ['notify', 'notifierContract', Object.keys(NOTIFIERS)],
  // One of its kind, and no registry yet.
  ['artifacts', 'artifactsContract', ['files']],
])('every adapter of %s is called by %s', async (folder, contract, registered) => {
  expect(registered.length).toBeGreaterThan(0);
  const called = calls(contract, await specsBelow(join(ADAPTERS, folder)));
  expect(registered.filter((name) => !called.some((title) => title === name || title.startsWith(`${name} `)))).toEqual([]);
});

test('a contract that is only spoken of is not called', () => {
  expect(calls('edgeContract', "import { edgeContract } from 'x';\n// edgeContract('one')\n  edgeContract(\n    'two',")).toEqual(['two']);
});

/** Names that a contract is called with. */
function calls(contract: string, text: string): string[] {
  return [...text.matchAll(new RegExp(`^ *${contract}\\(\\s*'([^']+)'`, 'gm'))].map(([, name = '']) => name);
}

async function specsBelow(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.spec.ts'));
  return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('\n');
}

/** The registry of metric sources tells its kinds only to those who ask for one that there is not. */
function kindsOfMetrics(): string[] {
  const now = (): number => 0;
  const stats = () => Promise.reject(new Error('nothing is asked here'));
  const of = metricSources({ dir: '/', logFolder: '/', env: {}, jobEnv: {}, intake: createOtlpIntake({ now, epoch: 'one' }), now, stats });
  try {
    of('none of them');
  } catch (error) {
    const { hint } = error as { readonly hint: string };
    return hint.replace(/^Known: |\.$/g, '').split(', ');
  }
  return [];
}
