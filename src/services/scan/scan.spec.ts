import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ignoreSecrets, installHook, scanSecrets } from './scan.ts';
import { readAnnotations } from '../../compose/github.ts';
import { secretsSarif } from '../../core/secret-scan/sarif.ts';
import { withGitleaks } from '../../core/secret-scan/gitleaks.ts';
import { keywordFinder } from '../../core/secret-scan/keywords.ts';
import { goPattern } from '../../core/secret-scan/go-pattern.ts';
import { OWN_RULES } from '../../core/secret-scan/rules.ts';
import { createScanner } from '../../core/secret-scan/scan.ts';

/** Random-looking letters, the same in each run: no secret stands in this file. */
function letters(length: number, alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', seed = 7): string {
  let state = seed;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return alphabet.charAt((state >> 8) % alphabet.length);
  }).join('');
}
const HEX = '0123456789abcdef';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const PLANTED: Readonly<Record<string, string>> = {
  'aws-access-key': `AKIA${letters(16, UPPER)}`,
  'aws-secret-key': `aws_secret_access_key = ${letters(40)}`,
  'github-token': `ghp_${letters(36)}`,
  'github-fine-grained-token': `github_pat_${letters(22)}_${letters(59)}`,
  'gitlab-token': `glpat-${letters(20)}`,
  'slack-token': `xoxb-${letters(12, '0123456789')}-${letters(24)}`,
  'slack-webhook': `https://hooks.slack.com/services/T${letters(8)}/B${letters(8)}/${letters(24)}`,
  'stripe-key': `sk_live_${letters(24)}`,
  'anthropic-key': `sk-ant-api03-${letters(93)}`,
  'google-api-key': `AIza${letters(35)}`,
  'npm-token': `npm_${letters(36)}`,
  'digitalocean-token': `dop_v1_${letters(64, HEX)}`,
  'doppler-token': `dp.pt.${letters(43)}`,
  'vault-token': `hvs.${letters(30)}`,
  'sendgrid-key': `SG.${letters(22)}.${letters(43)}`,
  'shopify-token': `shpat_${letters(32, HEX)}`,
  'huggingface-token': `hf_${letters(34, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef')}`,
  'sluice-token': `sluice_${letters(43)}`,
  'age-key': `AGE-SECRET-KEY-1${letters(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}`,
  jwt: `eyJ${letters(20)}.eyJ${letters(40)}.${letters(43)}`,
  'private-key': `-----BEGIN RSA PRIVATE KEY-----\n${letters(64)}`,
  'url-password': `postgres://shop:${letters(16)}@db.internal/shop`,
  'azure-storage-key': `AccountKey=${letters(86)}==`,
  'basic-authorization': `"Authorization": "Bearer ${letters(40)}"`,
};

const scanner = createScanner(OWN_RULES, 'key', () => 0);
const find = (text: string, path = 'src/a.ts', isNew = false) => {
  const bytes = new TextEncoder().encode(text);
  return scanner.scan(path, bytes, bytes.length, { isNew }).findings;
};

describe('rules', () => {
  it.each(Object.entries(PLANTED))('%s is found, where it stands', (rule, secret) => {
    const found = find(`// nothing\nconst x = 1;\n  ${secret}\n// after\n`);
    expect(found.map((one) => one.rule)).toContain(rule);
    expect(found[0]?.line).toBe(rule === 'private-key' ? 4 : 3);
    expect(JSON.stringify(found)).not.toContain(secret.slice(-16));
  });

  it.each([
    'password = "${PASSWORD}"',
    'token: process.env.TOKEN_OF_THE_SERVICE',
    'postgres://user:password@localhost/db',
    'postgres://user:${PASSWORD}@localhost/db',
    'https://example.com/a:b@c',
    `AKIA${'X'.repeat(16)}`,
    'AKIAIOSFODNN7EXAMPLE',
    'sk_live_your_key_goes_here_1234',
    'const BEGIN = "-----BEGIN PRIVATE KEY-----";',
    'api_key = "xxxxxxxxxxxxxxxxxxxx"',
    `ghp_${letters(36)} // gitleaks:allow`,
  ])('%s is none', (text) => {
    expect(find(text, 'src/a.ts', true)).toEqual([]);
  });

  it('generic ones are held against new lines only', () => {
    const text = `const secret = "${letters(24)}";`;
    expect(find(text)).toEqual([]);
    expect(find(text, 'src/a.ts', true).map((one) => one.rule)).toEqual(['generic-secret']);
  });

  it('lockfiles, pictures and what is no text are left out', () => {
    expect(find(`ghp_${letters(36)}`, 'package-lock.json')).toEqual([]);
    expect(find(`\0 ghp_${letters(36)}`)).toEqual([]);
  });

  it('two on one line of a minified file, both ends of a megabyte', () => {
    const [a, b] = [`ghp_${letters(36, undefined, 1)}`, `ghp_${letters(36, undefined, 2)}`];
    expect(find(`${'x '.repeat(250_000)}${a};${'y '.repeat(250_000)}"${b}"`)).toHaveLength(2);
    expect(find(`"${a}","${b}"`).map((one) => one.column)).toEqual([2, 45]);
  });
});

it('all keywords are found in one pass, as a search for each would', () => {
  const word = fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('a', 'b', 'c', '_') });
  fc.assert(
    fc.property(
      fc.uniqueArray(word, { minLength: 1, maxLength: 8 }),
      fc.string({ maxLength: 60, unit: fc.constantFrom('a', 'B', 'c', '_', 'x') }),
      (keywords, text) => {
        const found: string[] = [];
        const bytes = new TextEncoder().encode(text);
        keywordFinder(keywords).find(bytes, bytes.length, (keyword, end) => found.push(`${keyword} ${end}`));
        const wanted = keywords.flatMap((keyword, i) =>
          Array.from({ length: text.length }, (_, at) =>
            text.toLowerCase().startsWith(keyword, at) ? [`${i} ${at + keyword.length}`] : [],
          ).flat(),
        );
        expect(found.toSorted()).toEqual(wanted.toSorted());
      },
    ),
  );
});

describe('.gitleaks.toml', () => {
  it.each([
    [String.raw`(?i)ab[c-e]`, 'ABD', true],
    [String.raw`a(?i:b)c`, 'aBc', true],
    [String.raw`a(?i:b)c`, 'aBC', false],
    [String.raw`(?i:a)(?-i:b)`, 'AB', false],
    [String.raw`(?P<word>[[:alnum:]]+)\z`, 'x9', true],
    [String.raw`[^[:space:]]{2}`, ' a', false],
    [String.raw`(?s)a.b`, 'a\nb', true],
    [String.raw`[]a]b`, ']b', true],
  ])('%s on %j: %s', (source, text, fits) => {
    expect([...goPattern(source).find(Buffer.from(text))].length > 0).toBe(fits);
  });

  it('adds rules, replaces and disables ours, and allows', () => {
    const rules = withGitleaks(
      `[extend]\nuseDefault = true\ndisabledRules = ["jwt"]\n[[rules]]\nid = "acme"\nregex = '''(?i)acme_([a-z0-9]{8})'''\nsecretGroup = 1\nkeywords = ["acme_"]\n[[rules.allowlists]]\nregexes = ['''^00''']\n[[allowlists]]\npaths = ['''^legacy/''']\n`,
      OWN_RULES,
    );
    const one = createScanner(rules, 'key', () => 0);
    const ids = (path: string, text: string): string[] => {
      const bytes = new TextEncoder().encode(text);
      return one.scan(path, bytes, bytes.length).findings.map(({ rule }) => rule);
    };
    expect(ids('a', 'ACME_abcd1234')).toEqual(['acme']);
    expect(ids('a', 'ACME_00cd1234')).toEqual([]);
    expect(ids('legacy/a', 'ACME_abcd1234')).toEqual([]);
    expect(ids('a', PLANTED['jwt'] ?? '')).toEqual([]);
    expect(ids('a', PLANTED['npm-token'] ?? '')).toEqual(['npm-token']);
  });

  it.each(['not toml [', '[[rules]]\nid = "a"\n', "[[rules]]\nid = 'a'\nregex = '(?=a)a'\n"])('%j is refused', (text) => {
    expect(() => withGitleaks(text, OWN_RULES)).toThrow(expect.objectContaining({ code: 'GITLEAKS_INVALID' }));
  });
});

const made: string[] = [];
afterAll(() => Promise.all(made.map((dir) => rm(dir, { recursive: true, force: true }))));

function git(dir: string, ...args: string[]): string {
  const env = {
    PATH: process.env['PATH'],
    HOME: dir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'A',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'A',
    GIT_COMMITTER_EMAIL: 'a@b.c',
  };
  return execFileSync('git', args, { cwd: dir, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function repository(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-scan-'));
  made.push(dir);
  git(dir, 'init', '--quiet', '--initial-branch=main');
  await writeFile(join(dir, '.gitignore'), '.env*\n!.env.example\n.sluice/\n');
  await writeFile(join(dir, 'clean.txt'), 'nothing here\n');
  git(dir, 'add', '--all');
  git(dir, 'commit', '--quiet', '-m', 'Begin');
  return dir;
}

const tree = { what: { kind: 'tree' }, force: false } as const;

describe('a repository', () => {
  it('tree: found, answered for by a mark, and found again as another secret in the same place', async () => {
    const dir = await repository();
    expect(await scanSecrets(dir, tree)).toMatchObject({ findings: [], envFiles: [], files: 2, cached: 0 });
    expect(await scanSecrets(dir, tree)).toMatchObject({ files: 0, cached: 2 });
    await writeFile(join(dir, 'new ünï.txt'), `a\nghp_${letters(36)}\n`);
    const { findings } = await scanSecrets(dir, tree);
    expect(findings).toMatchObject([{ path: 'new ünï.txt', line: 2, rule: 'github-token' }]);
    const why = { by: 'ann', reason: 'revoked', at: '2026-01-01' };
    expect(await ignoreSecrets(dir, findings[0]?.mark.slice(0, 12) ?? '', why, tree.what)).toBe(1);
    expect(await scanSecrets(dir, tree)).toMatchObject({ findings: [], ignored: 1 });
    expect(await readFile(join(dir, '.sluice-secrets'), 'utf8')).toMatch(/^ignore [0-9a-f]{64} # 2026-01-01 ann: revoked$/m);
    expect(await readFile(join(dir, '.sluice-secrets'), 'utf8')).not.toContain(letters(36).slice(0, 8));
    await writeFile(join(dir, 'new ünï.txt'), `a\nghp_${letters(36, undefined, 99)}\n`);
    expect((await scanSecrets(dir, tree)).findings).toHaveLength(1);
  });

  it('what was found is SARIF that gates and GitHub read, with its place and without the secret', async () => {
    const dir = await repository();
    await writeFile(join(dir, 'new ünï.txt'), `a\nghp_${letters(36)}\n`);
    await writeFile(join(dir, '.gitignore'), '.sluice/\n');
    const text = JSON.stringify(secretsSarif(await scanSecrets(dir, tree), '1.0.0'));
    expect(text).not.toContain(letters(36).slice(0, 8));
    const file = join(dir, 'secrets.sarif');
    await writeFile(file, text);
    expect(await readAnnotations(file)).toMatchObject([
      { path: 'new ünï.txt', startLine: 2, level: 'failure', title: 'secret/github-token' },
      { path: '.env', startLine: 1, level: 'failure', title: 'env-file/notIgnored' },
    ]);
  });

  it('staged and range: new lines only, with their line in the file, also when taken away again', async () => {
    const dir = await repository();
    const secret = `const secret = "${letters(24)}";`;
    await appendFile(join(dir, 'clean.txt'), `two\nthree\n${secret}\n`);
    git(dir, 'add', '--all');
    expect((await scanSecrets(dir, { what: { kind: 'staged' }, force: false })).findings).toMatchObject([
      { path: 'clean.txt', line: 4, rule: 'generic-secret' },
    ]);
    git(dir, 'commit', '--quiet', '-m', 'Add');
    expect((await scanSecrets(dir, { what: { kind: 'staged' }, force: false })).findings).toEqual([]);
    await writeFile(join(dir, 'clean.txt'), 'nothing here\n');
    git(dir, 'commit', '--quiet', '-am', 'Take away');
    expect((await scanSecrets(dir, { what: { kind: 'range', range: 'HEAD~2' }, force: false })).findings).toHaveLength(1);
    await expect(scanSecrets(dir, { what: { kind: 'range', range: 'nowhere..HEAD' }, force: false })).rejects.toMatchObject({
      code: 'SCAN_GIT_FAILED',
    });
    await expect(scanSecrets(dir, { what: { kind: 'range', range: '--output=/tmp/x..y' }, force: false })).rejects.toMatchObject({
      code: 'SCAN_GIT_FAILED',
    });
  });

  it('env files must be ignored', async () => {
    const dir = await repository();
    await writeFile(join(dir, '.env'), 'A=1\n');
    await writeFile(join(dir, '.env.example'), 'A=\n');
    expect((await scanSecrets(dir, tree)).envFiles).toEqual([]);
    await writeFile(join(dir, '.gitignore'), '.sluice/\n');
    expect((await scanSecrets(dir, tree)).envFiles).toEqual([{ path: '.env', problem: 'notIgnored' }]);
    git(dir, 'add', '--all');
    expect((await scanSecrets(dir, tree)).envFiles).toEqual([{ path: '.env', problem: 'tracked' }]);
  });

  it('the hook stops a commit; a hook of somebody else is kept', { timeout: 60_000 }, async () => {
    const dir = await repository();
    await installHook(dir, [process.execPath, '--import', import.meta.resolve('tsx'), join(import.meta.dirname, '../../cli/main.ts')]);
    await writeFile(join(dir, 'bad.txt'), `ghp_${letters(36)}\n`);
    git(dir, 'add', '--all');
    let said = '';
    try {
      git(dir, 'commit', '-m', 'Bad');
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      said = stdout + stderr;
    }
    expect(said).toContain('bad.txt:1:1');
    expect(said).toContain('github-token');
    expect(said).not.toContain(letters(36).slice(0, 10));
    await writeFile(join(dir, '.git/hooks/pre-commit'), '#!/bin/sh\n');
    await expect(installHook(dir, ['sluice'])).rejects.toMatchObject({ code: 'HOOK_EXISTS' });
  });
});
