import { createHmac } from 'node:crypto';
import { Octokit } from '@octokit/core';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeGithub, fakeGithub, hasGithubContract } from '../../../../test/worlds/github.ts';
import type { CodeHost } from '../../../ports/source-control.ts';
import type { Annotation, CheckRunReport, DeploymentReport } from '../../../core/source-control/report-types.ts';
import { githubHost } from './github.ts';
import { cut } from './limits.ts';
import { type GithubRequest, plainRequest } from './request.ts';
import { githubEvent, isSigned } from './webhook.ts';

const commit = 'a'.repeat(40);
const deployment: DeploymentReport = {
  commit,
  environment: 'production',
  release: 'r-1',
  state: 'in_progress',
  description: '5 % of traffic',
  environmentUrl: 'https://shop.test/',
  logUrl: 'https://sluice.test/r-1',
  isProduction: true,
  isTransient: false,
};
const checkRun: CheckRunReport = {
  commit,
  name: 'gates',
  conclusion: 'failure',
  title: '2 gates failed',
  summary: '# Bad',
  annotations: [],
  detailsUrl: null,
};
const annotation = (i: number, level: Annotation['level'] = 'warning'): Annotation => ({
  path: `src/${i}.ts`,
  startLine: i,
  endLine: i,
  level,
  message: `m${i}`,
  title: null,
});

let github: FakeGithub;
afterEach(() => github.close());

const drivers: Readonly<Record<string, (url: string) => GithubRequest>> = {
  'plain HTTP': (url) => plainRequest({ url, token: () => 'ghs_test' }),
  octokit: (url) => {
    const { request } = new Octokit({ baseUrl: url, auth: 'ghs_test', log: { debug() {}, info() {}, warn() {}, error() {} } });
    return (route, parameters) => request(route, parameters);
  },
};

async function host(driver: keyof typeof drivers = 'plain HTTP'): Promise<CodeHost> {
  github = await fakeGithub();
  const request = drivers[driver];
  if (request === undefined) throw new Error('no such driver');
  return githubHost({ owner: github.owner, repo: github.repo, request: request(github.url) });
}

describe.each(Object.keys(drivers))('GitHub, driven with %s', (driver) => {
  it.skipIf(!hasGithubContract())('every request is one that its official description allows', async () => {
    const one = await host(driver);
    await one.deployment(deployment);
    await one.deployment({ ...deployment, state: 'success', environmentUrl: null, logUrl: null });
    await one.check({ ...checkRun, conclusion: null });
    await one.check({ ...checkRun, annotations: Array.from({ length: 120 }, (_, i) => annotation(i)), detailsUrl: 'https://sluice.test/' });
    github.state.changes.push({ commit, number: 7 }, { commit: 'b'.repeat(40), number: 8 });
    expect(await one.changesOf(commit)).toEqual([7]);
    await one.comment({ change: 7, key: 'plan', body: 'first' });
    await one.comment({ change: 7, key: 'plan', body: 'second' });
    await one.protection({ run: 3, environment: 'production', state: 'approved', comment: 'gates passed' });
    expect(github.violations).toEqual([]);
    expect([...github.routes].toSorted()).toEqual([
      'GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls',
      'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
      'GET /repos/{owner}/{repo}/deployments',
      'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
      'GET /repos/{owner}/{repo}/issues/{issue_number}/comments',
      'PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}',
      'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}',
      'POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule',
      'POST /repos/{owner}/{repo}/check-runs',
      'POST /repos/{owner}/{repo}/deployments',
      'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
      'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
    ]);
  });

  it('one deployment a release, and no status twice', async () => {
    const one = await host(driver);
    expect(await one.deployment(deployment)).toMatchObject({ done: 'created' });
    expect(await one.deployment(deployment)).toMatchObject({ done: 'nothing' });
    expect(await one.deployment({ ...deployment, state: 'success', description: 'x'.repeat(200) })).toMatchObject({ done: 'updated' });
    expect(await one.deployment({ ...deployment, release: 'r-2' })).toMatchObject({ done: 'created' });
    expect(github.state.deployments.map(({ statuses }) => statuses.map(({ state }) => state))).toEqual([
      ['in_progress', 'success'],
      ['in_progress'],
    ]);
    expect(github.state.deployments[0]?.made).toMatchObject({ auto_merge: false, required_contexts: [] });
    expect(String(github.state.deployments[0]?.statuses[1]?.['description'])).toHaveLength(140);
  });

  it('one comment a key, in place, among many of others', async () => {
    const one = await host(driver);
    for (let i = 0; i < 250; i += 1) github.state.comments.push({ id: i + 1, issue: 7, body: `talk ${i}` });
    const first = await one.comment({ change: 7, key: 'plan', body: 'first' });
    expect(await one.comment({ change: 7, key: 'plan', body: 'second' })).toMatchObject({ id: first.id, done: 'updated' });
    expect(await one.comment({ change: 7, key: 'plan', body: 'second' })).toMatchObject({ id: first.id, done: 'nothing' });
    expect(await one.comment({ change: 7, key: 'gates', body: 'y'.repeat(70_000) })).toMatchObject({ done: 'created' });
    expect(github.state.comments).toHaveLength(252);
    expect(github.state.comments.at(-1)?.body).toHaveLength(65_536);
  });
});

describe('a check', () => {
  it('has all its annotations, 50 a request, the worst first', async () => {
    const one = await host();
    const annotations = [...Array.from({ length: 119 }, (_, i) => annotation(i)), annotation(999, 'failure')];
    await one.check({ ...checkRun, annotations });
    expect(github.requests.filter((line) => !line.startsWith('GET'))).toEqual([
      'POST /repos/acme/shop/check-runs',
      ...Array.from({ length: 2 }, () => expect.stringMatching(/^PATCH/)),
    ]);
    expect(github.state.checks[0]?.annotations).toHaveLength(120);
    expect(github.state.checks[0]?.annotations[0]).toMatchObject({ annotation_level: 'failure', start_line: 999 });
  });

  it('said again after a cut-off shows nothing twice', async () => {
    const one = await host();
    await one.check({ ...checkRun, conclusion: null });
    await one.check({ ...checkRun, annotations: [annotation(1)] });
    await one.check({ ...checkRun, annotations: [annotation(1)] });
    expect(github.state.checks.map(({ annotations }) => annotations.length)).toEqual([1, 1]);
  });

  it('beyond 500 annotations says how many are not shown', async () => {
    const one = await host();
    await one.check({ ...checkRun, summary: 'z'.repeat(70_000), annotations: Array.from({ length: 700 }, (_, i) => annotation(i)) });
    const output = github.state.checks[0]?.fields['output'] as { readonly summary: string } | undefined;
    const summary = output?.summary ?? '';
    expect(summary).toContain('200 more findings');
    expect(summary.length).toBeLessThanOrEqual(65_535);
    expect(github.state.checks[0]?.annotations).toHaveLength(500);
  });
});

describe('what goes wrong', () => {
  it.each([
    [401, {}, 'HOST_DENIED'],
    [403, {}, 'HOST_DENIED'],
    [403, { 'x-ratelimit-remaining': '0' }, 'HOST_BUSY'],
    [403, { 'retry-after': '60' }, 'HOST_BUSY'],
    [429, {}, 'HOST_BUSY'],
    [404, {}, 'HOST_NOT_FOUND'],
    [422, {}, 'HOST_REFUSED'],
    [502, {}, 'HOST_UNREACHABLE'],
  ])('%s %j is %s', async (status, headers, code) => {
    const one = await host();
    github.failures.push({ status, headers: { ...headers }, message: 'no' });
    await expect(one.comment({ change: 1, key: 'plan', body: 'x' })).rejects.toMatchObject({ code });
  });

  it('nobody there', async () => {
    github = await fakeGithub();
    const closed = github.url;
    await github.close();
    const one = githubHost({ owner: 'acme', repo: 'shop', request: plainRequest({ url: closed, token: () => 'x' }) });
    await expect(one.comment({ change: 1, key: 'plan', body: 'x' })).rejects.toMatchObject({ code: 'HOST_UNREACHABLE', blame: 'outside' });
  });

  it.each(['deployment', 'comment', 'protection'] as const)(
    'cut off after any write of a %s and repeated, it is there once',
    async (what) => {
      for (let at = 0; at < 4; at += 1) {
        const one = await host();
        const act = (): Promise<unknown> =>
          what === 'deployment'
            ? one.deployment(deployment)
            : what === 'comment'
              ? one.comment({ change: 1, key: 'plan', body: 'x' })
              : one.protection({ run: 3, environment: 'production', state: 'approved', comment: '' });
        for (let i = 0; i < at; i += 1) await act();
        github.failures.push({ status: 502, message: 'cut off', isDone: true });
        await act().catch(() => {});
        await act();
        expect(
          [github.state.deployments.length, github.state.comments.length, github.state.protection.length].reduce((a, b) => a + b),
        ).toBe(1);
        expect(github.state.deployments[0]?.statuses.length ?? 1).toBe(1);
        if (at < 3) await github.close();
      }
    },
  );

  it('the token is in no message', async () => {
    const one = await host();
    github.failures.push({ status: 401, message: 'Bad credentials' });
    const error: Error = await one.comment({ change: 1, key: 'plan', body: 'x' }).then(
      () => new Error('none'),
      (caught: Error) => caught,
    );
    expect(JSON.stringify([error.message, error.stack, error])).not.toContain('ghs_test');
  });
});

describe('webhooks', () => {
  const text = 'Hello, World!';
  const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

  it("verify GitHub's published vector", async () => {
    github = await fakeGithub();
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    expect(isSigned("It's a Secret to Everybody", bytes(text), signature)).toBe(true);
    expect(isSigned("It's a Secret to Everybody", bytes('Hello, World?'), signature)).toBe(false);
    expect(isSigned('another', bytes(text), signature)).toBe(false);
    for (const wrong of [undefined, '', 'sha256=', signature.slice(0, -1), signature.replace('sha256', 'sha1'), `${signature}00`])
      expect(isSigned("It's a Secret to Everybody", bytes(text), wrong)).toBe(false);
    expect(isSigned('', bytes(text), `sha256=${createHmac('sha256', '').update(text).digest('hex')}`)).toBe(false);
  });

  const deliver = (name: string, data: unknown, secret = 'old'): Parameters<typeof githubEvent>[0] => {
    const body = bytes(JSON.stringify(data));
    return {
      body,
      headers: {
        'x-github-event': name,
        'x-github-delivery': 'd-1',
        'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
      },
    };
  };

  it('say what happened, while one secret replaces another', async () => {
    github = await fakeGithub();
    expect(githubEvent(deliver('push', { ref: 'refs/heads/main', after: commit, pusher: { name: 'ann' } }), ['new', 'old'])).toEqual({
      kind: 'push',
      delivery: 'd-1',
      ref: 'refs/heads/main',
      commit,
      by: 'ann',
    });
    const change = {
      action: 'opened',
      number: 4,
      pull_request: { head: { sha: commit, repo: { full_name: 'eve/shop' } } },
      repository: { full_name: 'acme/shop' },
    };
    expect(githubEvent(deliver('pull_request', change), ['old'])).toMatchObject({ kind: 'change', number: 4, isFork: true });
    const rule = {
      environment: 'production',
      deployment_callback_url: 'https://api.github.com/repos/acme/shop/actions/runs/77/deployment_protection_rule',
      deployment: { sha: commit },
    };
    expect(githubEvent(deliver('deployment_protection_rule', rule), ['old'])).toMatchObject({
      kind: 'protection',
      run: 77,
      environment: 'production',
    });
    expect(githubEvent(deliver('ping', { zen: 'x' }), ['old'])).toEqual({ kind: 'other', delivery: 'd-1', name: 'ping' });
  });

  it('are refused unsigned or unreadable', async () => {
    github = await fakeGithub();
    expect(() => githubEvent(deliver('push', {}, 'wrong'), ['old'])).toThrow(expect.objectContaining({ code: 'WEBHOOK_UNSIGNED' }));
    expect(() => githubEvent(deliver('push', {}), ['old'])).toThrow(expect.objectContaining({ code: 'WEBHOOK_INVALID' }));
    expect(() => githubEvent(deliver('push', {}), [])).toThrow(expect.objectContaining({ code: 'WEBHOOK_UNSIGNED' }));
  });
});

it('cuts no character in two', async () => {
  github = await fakeGithub();
  expect(cut('ab😀cd', 4)).toBe('ab…');
  expect(cut('abcd', 4)).toBe('abcd');
});
