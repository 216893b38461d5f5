import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { UserError } from '../../core/errors.ts';
import { configEnvironment } from './import-config.ts';
import { findWorkspace, loadConfig } from './load.ts';
import type { Problem } from '../validate/problems.ts';
import { ConfigError } from '../validate/problems.ts';
import type { Config } from '../schema/workspace.ts';

// Real processes and folders on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-config-'));
  await mkdir(join(dir, 'apps/web'), { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

const right: Config = { workspace: 'shop', apps: { web: { path: 'apps/web', run: 'node server.js' } } };
const asTs = (value: unknown): string => `import { defineConfig } from 'sluice';\nexport default defineConfig(${JSON.stringify(value)});\n`;

async function problems(): Promise<readonly Problem[]> {
  const error: unknown = await loadConfig(dir).then(
    () => null,
    (failure: unknown) => failure,
  );
  if (!(error instanceof ConfigError)) throw new Error(`no ConfigError but ${String(error)}`);
  expect(error.code).toBe('CONFIG_INVALID');
  return error.problems;
}

/** The mistakes of this value, as `path: message`. */
async function mistakes(value: unknown): Promise<string[]> {
  await write({ 'sluice.config.json': JSON.stringify(value) });
  return (await problems()).map((problem) => `${problem.path}: ${problem.message}`);
}

describe('where it stands', () => {
  test('JSON, YAML, TypeScript and JavaScript say the same', async () => {
    const texts = {
      'sluice.config.json': JSON.stringify(right),
      'sluice.config.yaml': 'workspace: shop\napps:\n  web: { path: apps/web, run: node server.js }\n',
      'sluice.config.ts': asTs(right),
      'sluice.config.mjs': asTs(right),
      'sluice.config.js': `const { defineConfig } = require('sluice');\nmodule.exports = defineConfig(${JSON.stringify(right)});`,
    };
    for (const [file, text] of Object.entries(texts)) {
      await write({ [file]: text });
      expect(await loadConfig(dir)).toEqual(right);
      await rm(join(dir, file));
    }
  });

  test('none, or several', async () => {
    await expect(loadConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_NOT_FOUND', hint: expect.stringContaining('docs/config.md') });
    await write({ 'sluice.config.json': '{}', 'sluice.config.yaml': 'x: 1' });
    await expect(loadConfig(dir)).rejects.toMatchObject({
      code: 'CONFIG_AMBIGUOUS',
      message: expect.stringContaining('sluice.config.yaml'),
    });
  });

  test('the nearest folder upwards', async () => {
    expect(await findWorkspace(join(dir, 'apps/web'))).toBeNull();
    await write({ 'sluice.config.yaml': 'x: 1' });
    expect(await findWorkspace(join(dir, 'apps/web'))).toBe(dir);
  });
});

describe('encodings', () => {
  const texts = {
    'sluice.config.json': JSON.stringify(right),
    'sluice.config.yaml': 'workspace: shop\r\napps:\r\n  web: { path: apps/web, run: node server.js }\r\n',
    'sluice.config.ts': asTs(right),
  };
  const utf16 = (text: string, order: 'le' | 'be'): Buffer => {
    const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le');
    return order === 'le' ? bytes : bytes.swap16();
  };

  test.each(Object.entries(texts))(
    '%s with a byte order mark, beside a package.json and a tsconfig.json with one, is read',
    async (file, text) => {
      await write({ [file]: `\uFEFF${text}`, 'package.json': '\uFEFF{"type":"module"}', 'tsconfig.json': '\uFEFF{}' });
      expect(await loadConfig(dir)).toEqual(right);
    },
  );

  test.each(Object.entries(texts).filter(([file]) => !file.endsWith('.ts')))('%s in UTF-16 is read as in UTF-8', async (file, text) => {
    for (const order of ['le', 'be'] as const) {
      await writeFile(join(dir, file), utf16(text, order));
      expect(await loadConfig(dir)).toEqual(right);
    }
  });

  test.each(Object.entries(texts))(
    '%s in an encoding of one byte a letter, cut off, or in UTF-16 without a mark is refused',
    async (file, text) => {
      const named = text.replace('node server.js', 'node büro.js');
      for (const bytes of [Buffer.from(named, 'latin1'), Buffer.from('ü').subarray(0, 1), utf16(named, 'le').subarray(2)]) {
        await writeFile(join(dir, file), bytes);
        expect((await problems()).map(({ message }) => message)).toEqual([expect.stringContaining('save it as UTF-8')]);
      }
    },
  );
});

describe('in TypeScript', () => {
  test.each(['{"type":"module"}', '{"type":"commonjs"}', '{}'])(
    'types, imports and "sluice" without an installation, in a package %s',
    async (manifest) => {
      await write({
        'package.json': manifest,
        'shared/names.ts': 'export const name: string = "shop";\nexport interface Unused { x: 1 }\n',
        'sluice.config.ts': `import type { Config } from 'sluice';\nimport { defineConfig } from 'sluice';\nimport { name } from './shared/names';\nconst config: Config = { workspace: name, apps: { web: { path: 'apps/web', run: 'node server.js' } } };\nexport default defineConfig(config);\n`,
      });
      expect(await loadConfig(dir)).toEqual(right);
    },
  );

  test('changes are seen each time, also in what it imports', async () => {
    await write({
      'name.ts': 'export const name = "one";',
      'sluice.config.ts': `import { name } from './name.ts';\nexport default { workspace: name, apps: {} };`,
    });
    expect((await loadConfig(dir)).workspace).toBe('one');
    await write({ 'name.ts': 'export const name = "two";' });
    expect((await loadConfig(dir)).workspace).toBe('two');
  });

  test('it may print and wait, but neither break nor end the program', async () => {
    await write({ 'sluice.config.ts': `console.log('hello');\nexport default Promise.resolve(${JSON.stringify(right)});` });
    expect(await loadConfig(dir)).toEqual(right);
    await write({ 'sluice.config.ts': 'console.log("bye"); process.exit(3);' });
    await expect(loadConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_FAILED', message: expect.stringMatching(/exit code 3.*bye/) });
    await write({ 'sluice.config.ts': 'export default {};\nthrow new Error("broken here");' });
    await expect(loadConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_FAILED', message: expect.stringContaining('broken here') });
    await write({ 'sluice.config.ts': 'export default {' });
    await expect(loadConfig(dir)).rejects.toMatchObject({ code: 'CONFIG_FAILED', message: expect.stringContaining('sluice.config.ts:1') });
  });

  test('it sees no variable that is not allowed', async () => {
    vi.stubEnv('SHOP_SECRET', 'seen');
    try {
      await write({ 'sluice.config.ts': asTs(right).replace('"shop"', "process.env['SHOP_SECRET'] ?? 'hidden'") });
      expect((await loadConfig(dir)).workspace).toBe('hidden');
    } finally {
      vi.unstubAllEnvs();
    }
    const own = {
      PATH: '/bin',
      HOME: '/root',
      LC_ALL: 'C',
      https_proxy: 'x',
      CI: '1',
      AWS_SECRET_ACCESS_KEY: 's',
      SLUICE_TOKEN: 's',
      DATABASE_URL: 's',
      NODE_OPTIONS: '--x',
      EXTRA: 'e',
    };
    expect(Object.keys(configEnvironment(own)).toSorted()).toEqual(['CI', 'HOME', 'LC_ALL', 'PATH', 'https_proxy']);
    expect(configEnvironment({ ...own, SLUICE_CONFIG_ENV: 'EXTRA, MISSING' })).toMatchObject({ EXTRA: 'e' });
    expect(configEnvironment({ ...own, SLUICE_CONFIG_ENV: 'EX*' })).toMatchObject({ EXTRA: 'e' });
    expect(configEnvironment({ ...own, SLUICE_CONFIG_ENV: '*, A*B' })).not.toHaveProperty('EXTRA');
  });

  test('only plain data counts', async () => {
    await write({
      'sluice.config.ts':
        'export default { workspace: "x", apps: { web: { path: "apps/web", run: () => 1, env: { A: new Date(), B: NaN, C: undefined } } } };',
    });
    expect((await problems()).map((problem) => `${problem.path}: ${problem.message.split(';')[0]}`)).toEqual([
      'apps.web.run: found a function',
      'apps.web.env.A: found a Date',
      'apps.web.env.B: found NaN',
    ]);
    await write({ 'sluice.config.ts': 'export const config = 1;\nexport default undefined;' });
    expect((await problems())[0]?.message).toContain('export default defineConfig');
  });
});

describe('places', () => {
  test('YAML and JSON mistakes have line and column', async () => {
    await write({
      'sluice.config.yaml':
        'workspace: shop\napps:\n  web:\n    path: apps/web\n    run: node server.js\n    strategy:\n      kind: canary\n      steps:\n        - 5\n        - wait: 5m\n',
    });
    expect(await problems()).toContainEqual({
      file: 'sluice.config.yaml',
      line: 10,
      column: 11,
      path: 'apps.web.strategy.steps[1].wait',
      message: 'unknown key; allowed: weight, bake, pause.',
      suggestion: null,
    });
    await rm(join(dir, 'sluice.config.yaml'));
    await write({ 'sluice.config.json': '{\n  "workspace": "shop",\n  "apps": {},\n  "environment": {}\n}' });
    expect(await problems()).toMatchObject([{ line: 4, column: 3, path: 'environment', suggestion: 'environments' }]);
  });

  test('mistakes of the notation itself', async () => {
    await write({ 'sluice.config.json': '{\n  "workspace": "shop",\n}' });
    expect(await problems()).toMatchObject([{ line: 3, message: expect.stringContaining('not JSON') }]);
    await rm(join(dir, 'sluice.config.json'));
    await write({ 'sluice.config.yaml': 'workspace: shop\napps:\n  web: { path: a }\n  web: { path: b }\n' });
    expect(await problems()).toMatchObject([{ line: 4, message: expect.stringContaining('unique') }]);
  });

  test('all of them at once, in reading order, in the message too', async () => {
    await write({
      'sluice.config.yaml': 'workspace: Shop\naps: {}\napps:\n  web:\n    path: apps/web\n    strategy: canry\n    dependsOn: [wep]\n',
    });
    const error: unknown = await loadConfig(dir).catch((failure: unknown) => failure);
    if (!(error instanceof UserError)) throw new Error('no UserError');
    const { message } = error;
    expect(message.split('\n').map((line) => line.trim().split(' ').slice(0, 2).join(' '))).toEqual([
      'sluice.config.yaml has',
      'sluice.config.yaml:1:1 workspace:',
      'sluice.config.yaml:2:1 aps:',
      'sluice.config.yaml:6:5 apps.web.strategy:',
      'sluice.config.yaml:7:17 apps.web.dependsOn[0]:',
    ]);
    expect(message).toContain('Did you mean "canary"?');
  });
});

describe('single values', () => {
  const web = (settings: object): object => ({ workspace: 'shop', apps: { web: { path: 'apps/web', run: 'node x', ...settings } } });

  test.each<[string, object, string]>([
    ['a misspelt key', { strateggy: 'canary' }, 'apps.web.strateggy: unknown key; allowed: path,'],
    ['a wrong word', { strategy: { kind: 'canari' } }, 'apps.web.strategy.kind: found "canari"; allowed: "recreate"'],
    ['a wrong time', { deadlines: { build: '10 minutes' } }, 'apps.web.deadlines.build: found "10 minutes"; allowed: a time such as'],
    ['no time at all', { deadlines: { build: 0 } }, 'apps.web.deadlines.build: found 0; allowed: a time'],
    ['an empty command', { run: [] }, 'apps.web.run: found an empty list; allowed: a command'],
    ['a blank command', { run: { command: ' ' } }, 'apps.web.run.command: found " "; allowed: a command'],
    ['an open quote', { run: 'node "x' }, 'apps.web.run: found "node \\"x"; allowed: a command'],
    [
      'a weight of 100',
      { routes: ['/'], strategy: { kind: 'canary', steps: [{ weight: 100, bake: '1m' }] } },
      'apps.web.strategy.steps[0].weight: found 100; allowed: a percentage less than 100',
    ],
    [
      'a plain weight of 0',
      { routes: ['/'], strategy: { kind: 'canary', steps: [0] } },
      'apps.web.strategy.steps[0]: found 0; allowed: a percentage greater than 0',
    ],
    [
      'an empty step',
      { strategy: { kind: 'canary', steps: [{}] } },
      'apps.web.strategy.steps[0]: found an empty object; allowed: a weight',
    ],
    ['a number as variable', { env: { PORT: 3000 } }, 'apps.web.env.PORT: found a number; allowed: text'],
    ['a secret of the wrong kind', { env: { TOKEN: { value: 'hunter2' } } }, 'apps.web.env.TOKEN.value: unknown key; allowed: fromEnv.'],
    ['a wrong port', {}, ''],
  ])('%s', async (_name, settings, expected) => {
    if (expected === '') {
      expect(await mistakes({ ...right, environments: { production: { edge: { port: 70_000 } } } })).toEqual([
        'environments.production.edge.port: found 70000; allowed: a port: 0 (any free one) to 65535.',
      ]);
    } else {
      const found = await mistakes(web(settings));
      expect(found.join('\n')).toContain(expected);
      expect(found.join('\n')).not.toContain('hunter2');
    }
  });

  test('what is missing', async () => {
    expect(await mistakes({ apps: { web: {} } })).toEqual([
      expect.stringContaining('workspace: is missing; needed'),
      expect.stringContaining('apps.web.path: is missing; needed: a folder'),
    ]);
    expect(await mistakes('nothing')).toEqual([expect.stringContaining(': found "nothing"; allowed: an object')]);
  });

  test('folders that are not there, outside, or reached by a link', async () => {
    await symlink(tmpdir(), join(dir, 'link'));
    const app = (path: string): object => ({ path, run: 'x' });
    const found = await mistakes({
      workspace: 'x',
      apps: { a: app('none'), b: app('../x'), c: app('/etc'), d: app('link'), e: app('./apps/web/') },
    });
    expect(found).toEqual([
      'apps.a.path: there is no folder "none" in the workspace.',
      expect.stringContaining('apps.b.path: "../x" leads outside'),
      expect.stringContaining('apps.c.path: found "/etc"; allowed: a relative path'),
      expect.stringContaining('apps.d.path: "link" is a link that leads outside'),
    ]);
  });
});
