import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../free-port.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = 'docs/getting-started.md';
/** The port that the page uses for users. */
const PORT_OF_PAGE = '4700';
/** Programs of the system that a reader has besides Node and git. */
const PROGRAMS = [
  'bash',
  'sh',
  'git',
  'cat',
  'mkdir',
  'sed',
  'curl',
  'kill',
  'rm',
  'uname',
  'env',
  'dirname',
  'readlink',
  'setpriv',
  'id',
  'ps',
  'tar',
];

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-tour-')));
const home = join(folder, 'home');

beforeAll(() => {
  mkdirSync(home);
  execFileSync('make', ['build'], { cwd: ROOT, stdio: 'ignore' });
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: ROOT, stdio: 'ignore' });
  const packed = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  const named = /~\/(sluice-[\d.]+\.tgz)/.exec(readFileSync(join(ROOT, PAGE), 'utf8'))?.[1] ?? '';
  // The page names the file as it is made now.
  expect(packed).toBe(named);
  renameSync(join(folder, packed), join(home, packed));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Block {
  readonly section: string;
  readonly text: string;
}

it('works word for word in an empty home folder, with only Node, npm and git', { timeout: 600_000 }, async () => {
  const blocks = blocksOf(readFileSync(join(ROOT, PAGE), 'utf8'));
  expect(blocks.length).toBeGreaterThan(8);
  const port = String(await freePort());
  const said = await run(
    blocks.map((block) => ({
      ...block,
      text: block.text.replaceAll(`:${PORT_OF_PAGE}`, `:${port}`).replaceAll(`port: ${PORT_OF_PAGE}`, `port: ${port}`),
    })),
  );
  const outcomes = [...said.text.matchAll(/^(Succeeded|Rolled back|Failed|Errored)\b/gm)].map(([, outcome]) => outcome);
  expect(outcomes, said.text).toEqual(['Succeeded', 'Succeeded', 'Rolled back', 'Succeeded', 'Succeeded']);
  expect(
    [...said.text.matchAll(/^release (\d)$/gm)].map(([, release]) => release),
    said.text,
  ).toEqual(['1', '2', '2', '2']);
  expect(said.text).toContain('exit code 5');
  expect(said.code, said.text).toBe(0);
  console.log(said.times.join('\n'));
});

/** The blocks that the page tells its reader to type, with the heading each stands below. */
function blocksOf(page: string): readonly Block[] {
  const [, ...sections] = page.split(/^## /m);
  return sections.flatMap((section) => {
    const title = section.split('\n')[0] ?? '';
    return [...section.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = '']) => ({ section: title, text }));
  });
}

/** One shell types all of it, and ends at the first command that fails. The time of each section is taken as it goes. */
function run(
  blocks: readonly Block[],
): Promise<{ readonly code: number | null; readonly text: string; readonly times: readonly string[] }> {
  const script = ['set -e', ...blocks.map(({ section, text }) => `echo "@@ ${section}"\n${text}`)].join('\n');
  const shell = spawn('bash', ['-c', script], { cwd: home, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const began: { readonly section: string; readonly at: number }[] = [];
  const take = (chunk: Buffer): void => {
    for (const [, section = ''] of chunk.toString().matchAll(/^@@ (.+)$/gm)) began.push({ section, at: Date.now() });
    text += chunk.toString();
  };
  shell.stdout.on('data', take);
  shell.stderr.on('data', take);
  return new Promise((resolve) =>
    shell.on('close', (code) => {
      const times = began.map(({ section, at }, i) => `${(((began[i + 1]?.at ?? Date.now()) - at) / 1000).toFixed(1)} s  ${section}`);
      resolve({ code, text, times });
    }),
  );
}

/** As a person has it who has just installed Node: nothing of ours, nothing of this checkout. */
function environment(): NodeJS.ProcessEnv {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const name of PROGRAMS) {
    const found = ['/usr/bin', '/bin'].map((at) => join(at, name)).find((path) => existsSync(path));
    if (found !== undefined) symlinkSync(found, join(bin, name));
  }
  symlinkSync(process.execPath, join(bin, 'node'));
  const npm =
    (process.env['PATH'] ?? '')
      .split(':')
      .map((at) => join(at, 'npm'))
      .find((path) => existsSync(path)) ?? '';
  symlinkSync(join(dirname(realpathSync(npm)), 'npm-cli.js'), join(bin, 'npm'));
  const setting = (name: string): string => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  return {
    PATH: bin,
    HOME: home,
    LANG: 'C.UTF-8',
    // Packages and the registry as this machine has them: no tour can do without.
    npm_config_cache: setting('cache'),
    npm_config_globalconfig: setting('globalconfig'),
    npm_config_registry: setting('registry'),
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
    NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'],
  };
}
