import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CommandLineWorld, commandLineWorld, type Ran } from '../../../../test/worlds/command-line.ts';
import { type FakeGithub, fakeGithub } from '../../../../test/worlds/github.ts';

let dir = '';
let world: CommandLineWorld;
let github: FakeGithub;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-github-'));
  [world, github] = await Promise.all([commandLineWorld(), fakeGithub()]);
});
afterEach(async () => {
  await Promise.all([world.close(), github.close()]);
  rmSync(dir, { recursive: true, force: true });
});

const COMMIT = 'a'.repeat(40);
/** As in a job of a workflow, with the token handed on. */
const sluice = (...argv: string[]): Promise<Ran> =>
  world.run(['github', ...argv], {
    env: { GITHUB_REPOSITORY: 'acme/shop', GITHUB_TOKEN: 'ghs_test', GITHUB_API_URL: github.url, GITHUB_SHA: COMMIT },
  });
const file = (name: string, content: string): string => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};

it('comment puts a file in place of the one before', async () => {
  const markdown = file('checks.md', '## Checks passed');
  expect(await sluice('comment', markdown, '--pr', '7', '--key', 'checks')).toMatchObject({
    exit: 0,
    out: expect.stringMatching(/^created/),
  });
  expect((await sluice('comment', markdown, '--pr', '7', '--key', 'checks')).out).toMatch(/^nothing to do/);
  file('checks.md', '## Checks failed');
  expect((await sluice('comment', markdown, '--pr', '7', '--key', 'checks')).out).toMatch(/^updated/);
  expect(github.state.comments).toMatchObject([{ issue: 7, body: expect.stringContaining('## Checks failed') }]);
  expect((await sluice('comment', join(dir, 'none.md'), '--pr', '7')).err).toContain('Give a file of Markdown');
});

it('check notes the findings of a SARIF file in the files', async () => {
  const results = [
    {
      ruleId: 'no-eval',
      level: 'error',
      message: { text: 'eval is evil' },
      locations: [{ physicalLocation: { artifactLocation: { uri: 'src/a.js' }, region: { startLine: 3 } } }],
    },
  ];
  const sarif = file('findings.sarif', JSON.stringify({ version: '2.1.0', runs: [{ tool: { driver: { name: 'lint' } }, results }] }));
  const summary = file('checks.md', '1 finding');
  expect(await sluice('check', 'gates', '--conclusion', 'failure', '--summary', summary, '--sarif', sarif)).toMatchObject({ exit: 0 });
  expect(github.state.checks).toMatchObject([
    {
      name: 'gates',
      head_sha: COMMIT,
      annotations: [{ path: 'src/a.js', start_line: 3, annotation_level: 'failure', message: 'eval is evil' }],
    },
  ]);
  expect((await sluice('check', 'gates', '--sarif', file('no.sarif', '{}'))).err).toContain('SARIF_UNREADABLE');
});

it('deployment shows a release once, protect answers a run', async () => {
  await world.run(['deploy', '-e', 'production', '--yes']);
  for (const said of [/^(created|updated)/, /^nothing to do/]) expect((await sluice('deployment', 'r-0001')).out).toMatch(said);
  expect(github.state.deployments).toMatchObject([{ environment: 'production' }]);
  expect(await sluice('protect', '--run', '77', '-e', 'production')).toMatchObject({ exit: 0, out: 'production is approved\n' });
  expect(await sluice('protect', '--run', '78', '-e', 'production', '--reject', '--reason', 'frozen')).toMatchObject({ exit: 0 });
  expect(github.state.protection).toMatchObject([{ state: 'approved' }, { state: 'rejected', comment: 'frozen' }]);
  expect(github.violations).toEqual([]);
  // Said again it is as before; the opposite comes too late, and says so.
  expect(await sluice('protect', '--run', '77', '-e', 'production')).toMatchObject({ exit: 0 });
  expect(await sluice('protect', '--run', '77', '-e', 'production', '--reject')).toMatchObject({
    exit: 1,
    err: expect.stringContaining('already been approved'),
  });
});

it('without a repository or a token it says what to set', async () => {
  const ran = await world.run(['github', 'protect', '--run', '1', '-e', 'staging']);
  expect(ran).toMatchObject({ exit: 1, err: expect.stringMatching(/GITHUB_UNKNOWN[^]*Set GITHUB_REPOSITORY/) });
});
