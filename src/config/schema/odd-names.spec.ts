import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../load/load.ts';
import { ConfigError } from '../validate/problems.ts';
import { resolveEnvironment } from '../resolve/resolve.ts';
import { validate } from '../validate/validate.ts';

const INHERITED = [...Object.getOwnPropertyNames(Object.prototype), '__proto__', 'prototype', 'length', 'hasownproperty'];
const name = fc.oneof(fc.constantFrom(...INHERITED), fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/), fc.string({ maxLength: 8 }));
const APP = { path: 'web', run: 'node web.js' };

describe('a name that objects have already', () => {
  test('is kept as it is or refused, wherever a name may stand: it never vanishes', () => {
    fc.assert(
      fc.property(name, fc.constantFrom('app', 'environment', 'override', 'check', 'template'), (odd, place) => {
        const own = (value: unknown): object => JSON.parse(`{${JSON.stringify(odd)}:${JSON.stringify(value)}}`) as object;
        const raw: Record<string, unknown> = {
          app: { workspace: 'shop', apps: own(APP) },
          environment: { workspace: 'shop', apps: { web: APP }, environments: own({}) },
          override: { workspace: 'shop', apps: { web: APP }, environments: { production: { apps: own({}) } } },
          check: { workspace: 'shop', apps: { web: { ...APP, checks: own('true') } } },
          template: { workspace: 'shop', apps: { web: { ...APP, strategy: 'canary', analysis: { template: odd } } } },
        };
        const { config, mistakes } = validate(raw[place]);
        if (config === null) {
          expect(mistakes.length).toBeGreaterThan(0);
          return;
        }
        expect(place).not.toBe('template');
        expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain(odd);
        const holders: Record<string, object | undefined> = {
          app: config.apps,
          environment: config.environments,
          override: config.environments?.['production']?.apps,
          check: config.apps['web']?.checks,
        };
        expect(Object.keys(holders[place] ?? {})).toEqual([odd]);
        if (place === 'app') expect(resolveEnvironment(config, 'production').apps.map(({ app }) => app)).toEqual([odd]);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s is refused by name', (odd) => {
    const { mistakes } = validate(JSON.parse(`{"workspace":"shop","apps":{"${odd}":${JSON.stringify(APP)}}}`));
    expect(mistakes.map(({ path }) => path.join('.'))).toEqual([`apps.${odd}`]);
  });
});

describe('a configuration that stands for more than it says', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-odd-'));
    await mkdir(join(dir, 'web'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));
  beforeEach(async () => {
    for (const file of ['sluice.config.yaml', 'sluice.config.json']) await rm(join(dir, file), { force: true });
  });

  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...'bcdefghi'.split('').map((letter, i) => `${letter}: &${letter} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(', ')}]`),
  ].join('\n');
  const wide = `workspace: shop\napps: { web: { path: web, run: node web.js } }\nx: &x [${Array(600).fill('1').join(', ')}]\ny: &y [${Array(90).fill('*x').join(', ')}]\nz: [${Array(9).fill('*y').join(', ')}]\n`;
  test.each([
    ['aliases of aliases', 'yaml', bomb],
    ['aliases that are allowed, and too many', 'yaml', wide],
    ['an alias of itself', 'yaml', 'workspace: shop\napps: &a { web: { path: web, run: node web.js, checks: *a } }\n'],
    ['an alias of nothing', 'yaml', 'workspace: *nothing\n'],
    ['lists in lists in YAML', 'yaml', `workspace: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`],
    ['lists in lists in JSON', 'json', `{"workspace":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['objects 200 levels deep', 'json', `{"workspace":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`],
    ['a tag that makes something else', 'yaml', 'workspace: !!binary c2hvcA==\napps: !!set { web }\n'],
  ])('%s: a mistake of the configuration', { timeout: 60_000 }, async (_, kind, text) => {
    await writeFile(join(dir, `sluice.config.${kind}`), text);
    const error: unknown = await loadConfig(dir).then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message.length).toBeLessThan(2_000);
  });
});
