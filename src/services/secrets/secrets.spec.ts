import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSecrets, type SecretsOptions } from './secrets.ts';

let workspace: string;
beforeEach(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'sluice-values-'));
});
afterEach(() => rm(workspace, { recursive: true, force: true }));

const start = (more: Partial<SecretsOptions> = {}) => createSecrets({ workspace, own: {}, ownFirst: false, ...more });
const file = (name: string, text: string) => writeFile(join(workspace, name), text);

describe('the value of a variable', () => {
  test('comes from the first that has it: caller, .env files from the special to the general, kept, own', async () => {
    const secrets = start({ own: { KEY: 'from own' } });
    expect(secrets.sourceOf('KEY', 'production')).toBe('control plane');
    secrets.keep('production', ['KEY']);
    const again = start({ own: { KEY: 'stale' } });
    expect([again.sourceOf('KEY', 'production'), again.value('KEY', 'production')]).toEqual(['kept', 'from own']);
    const layers = ['.env', '.env.local', '.env.production', '.env.production.local'];
    for (const name of layers) {
      await file(name, `KEY="from ${name}"\n`);
      expect([again.sourceOf('KEY', 'production'), again.value('KEY', 'production')]).toEqual([name, `from ${name}`]);
    }
    expect(again.value('KEY', 'staging')).toBe('from .env.local');
    again.offer('production', { KEY: 'from caller' });
    expect(again.sourceOf('KEY', 'production')).toBe('caller');
    expect(again.sourceOf('KEY', 'staging')).toBe('.env.local');
    again.offer('production', {});
    expect(again.sourceOf('KEY', 'production')).toBe('.env.production.local');
  });

  test('is what a service manager has set, before anything else, and of that no copy is kept', async () => {
    const secrets = start({ own: { KEY: 'from own' }, ownFirst: true });
    await file('.env', 'KEY=from file\nOTHER=from file\n');
    secrets.offer('production', { KEY: 'from caller' });
    expect(secrets.value('KEY', 'production')).toBe('from own');
    secrets.keep('production', ['KEY', 'OTHER']);
    expect(JSON.parse(await readFile(join(workspace, '.sluice/values.json'), 'utf8')).values).toEqual({
      production: { OTHER: 'from file' },
    });
  });

  test('is nowhere: not in an empty line, not in a folder called .env, not in what objects inherit', async () => {
    await mkdir(join(workspace, '.env'));
    await file('.env.local', '\uFEFFKEY=\nSET=1\n');
    const secrets = start();
    for (const name of ['KEY', 'constructor', '__proto__', 'toString']) expect(secrets.sourceOf(name, 'production')).toBeNull();
    expect(secrets.value('SET', '__proto__')).toBe('1');
  });

  test('cannot be told from a file that may not be read', async () => {
    if (process.getuid?.() === 0) return;
    await file('.env', 'KEY=1\n');
    await chmod(join(workspace, '.env'), 0);
    expect(() => start().value('KEY', 'production')).toThrow(/\.env cannot be read/);
  });

  test('is read from UTF-16 with a mark, and refused where letters are not known', async () => {
    await writeFile(join(workspace, '.env'), Buffer.from('\uFEFFKEY=büro\r\n', 'utf16le'));
    expect(start().value('KEY', 'production')).toBe('büro');
    for (const bytes of [Buffer.from('KEY=büro\n', 'latin1'), Buffer.from('KEY=a\n', 'utf16le')]) {
      await writeFile(join(workspace, '.env'), bytes);
      expect(() => start().value('KEY', 'production')).toThrow(/\.env is not UTF-8 text/);
    }
  });

  test('stays what it was for starts until the next release, and is another thing by its identity when it changes', async () => {
    await file('.env', 'KEY=one-one\n');
    const secrets = start();
    secrets.keep('production', ['KEY']);
    const identity = secrets.identity('KEY', 'production');
    await file('.env', 'KEY=two-two\n');
    expect(secrets.forStart('production')['KEY']).toBe('one-one');
    expect(secrets.identity('KEY', 'production')).not.toBe(identity);
    secrets.keep('production', ['KEY']);
    expect(secrets.forStart('production')['KEY']).toBe('two-two');
    await file('.env', 'KEY=one-one\n');
    expect(start().identity('KEY', 'production')).toBe(identity);
    expect(secrets.identity('NOT_SET', 'production')).toBeNull();
  });
});

describe('the redactor', () => {
  test('knows after a restart what was handed out before it, and what was replaced', async () => {
    const secrets = start();
    secrets.offer('production', { KEY: 'first value' });
    secrets.keep('production', ['KEY']);
    secrets.offer('production', { KEY: 'second value' });
    secrets.keep('production', ['KEY']);
    expect(start().known()).toEqual(expect.arrayContaining(['first value', 'second value']));
    const { mode } = await stat(join(workspace, '.sluice/values.json'));
    expect(mode & 0o777).toBe(0o600);
  });

  test('knows the values of every environment and layer as soon as the configuration is read', async () => {
    await file('.env', 'KEY=general value\n');
    await file('.env.staging', 'KEY=staging value\n');
    const secrets = start({ own: { KEY: 'own value', TOKEN: 'token value' } });
    secrets.learnConfig({
      workspace: 'shop',
      apps: { web: { path: 'web', env: { KEY: { fromEnv: 'KEY' } } } },
      environments: { staging: {}, production: {} },
      github: { repository: 'a/b', token: { fromEnv: 'TOKEN' } },
    });
    expect(secrets.known()).toEqual(expect.arrayContaining(['general value', 'staging value', 'own value', 'token value']));
  });

  test('knows whatever is looked up, by whatever way', () => {
    const secrets = start({ own: { A: 'value of a', B: 'value of b', C: 'value of c' } });
    expect([secrets.value('A', null), secrets.of(null)['B'], secrets.forStart('x')['C']]).toEqual([
      'value of a',
      'value of b',
      'value of c',
    ]);
    expect(secrets.known()).toEqual(['value of a', 'value of b', 'value of c']);
  });
});

test('a file of values that is damaged is said, not taken for none', async () => {
  await mkdir(join(workspace, '.sluice'));
  await file('.sluice/values.json', '{"values":');
  expect(() => start()).toThrow(/values\.json is not what Sluice wrote/);
});
