import { UserError } from '../../../core/errors.ts';
import type { CodeHost, CommentReport, HostRef, ProtectionAnswer } from '../../../ports/source-control.ts';
import type { CheckRunReport, DeploymentReport } from '../../../core/source-control/report-types.ts';
import { annotationBatches, cut, type GithubAnnotation, LIMITS, summaryOf } from './limits.ts';
import type { GithubRequest } from './request.ts';
import * as schema from './schema.ts';

export interface GithubOptions {
  readonly owner: string;
  readonly repo: string;
  readonly request: GithubRequest;
}

/** Pages of lists that are looked through at most; 100 entries each. */
const PAGES = 30;

/** GitHub, or an Enterprise server of it. */
export function githubHost({ owner, repo, request }: GithubOptions): CodeHost {
  const send = (route: string, parameters: Readonly<Record<string, unknown>>): Promise<{ readonly data: unknown }> =>
    request(route, { owner, repo, ...parameters });

  async function pages<T>(
    route: string,
    parameters: Readonly<Record<string, unknown>>,
    read: (data: unknown) => readonly T[],
    wanted: (one: T) => boolean,
  ): Promise<T | null> {
    for (let page = 1; page <= PAGES; page += 1) {
      const all = read((await send(route, { ...parameters, per_page: 100, page })).data);
      const found = all.find(wanted);
      if (found !== undefined) return found;
      if (all.length < 100) return null;
    }
    return null;
  }

  async function ensureDeployment(report: DeploymentReport): Promise<{ id: number; isNew: boolean }> {
    const { commit, environment, release } = report;
    const found = await pages(
      'GET /repos/{owner}/{repo}/deployments',
      { sha: commit, environment, task: 'deploy' },
      (data) => schema.deployments.parse(data),
      ({ payload }) => releaseIn(payload) === release,
    );
    if (found !== null) return { id: found.id, isNew: false };
    // Without these two GitHub merges the default branch in, and refuses while any check is red: both are for us to decide.
    const { data } = await send('POST /repos/{owner}/{repo}/deployments', {
      ref: commit,
      environment,
      task: 'deploy',
      auto_merge: false,
      required_contexts: [],
      payload: { sluice: release },
      description: cut(`Sluice release ${release}`, LIMITS.description),
      production_environment: report.isProduction,
      transient_environment: report.isTransient,
    });
    return { id: schema.deployment.parse(data).id, isNew: true };
  }

  return {
    name: 'github',

    async deployment(report): Promise<HostRef> {
      const { id, isNew } = await ensureDeployment(report);
      const status = statusOf(report);
      const route = 'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses';
      const [newest] = isNew ? [] : schema.statuses.parse((await send(route, { deployment_id: id, per_page: 1 })).data);
      const isSaid = newest !== undefined && newest.state === status.state && newest.description === status.description;
      if (!isSaid) await send('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', { deployment_id: id, ...status });
      return { id, url: null, done: isNew ? 'created' : isSaid ? 'nothing' : 'updated' };
    },

    async check(report): Promise<HostRef> {
      const [first = [], ...rest] = annotationBatches(report.annotations);
      const found = await pages(
        'GET /repos/{owner}/{repo}/commits/{ref}/check-runs',
        { ref: report.commit, check_name: report.name, filter: 'latest' },
        (data) => schema.checkRuns.parse(data).check_runs,
        // Annotations only ever grow: a run that has some gives way to a new one of the same name.
        ({ external_id: id, output }) => id === keyOf(report) && output.annotations_count === 0,
      );
      const made =
        found === null
          ? await send('POST /repos/{owner}/{repo}/check-runs', {
              head_sha: report.commit,
              external_id: keyOf(report),
              ...runOf(report, first),
            })
          : await send('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', { check_run_id: found.id, ...runOf(report, first) });
      const { id, html_url: url } = schema.checkRun.parse(made.data);
      // Annotations of later requests are added to those before.
      for (const batch of rest)
        await send('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', { check_run_id: id, output: outputOf(report, batch) });
      return { id, url: url ?? null, done: found === null ? 'created' : 'updated' };
    },

    async changesOf(commit): Promise<readonly number[]> {
      const { data } = await send('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', { commit_sha: commit, per_page: 100 });
      return schema.changes.parse(data).map((one) => one.number);
    },

    async comment({ change, key, body }: CommentReport): Promise<HostRef> {
      const mark = `<!-- sluice:${key.replaceAll(/[^\w.-]/g, '-')} -->`;
      const text = `${mark}\n${cut(body, LIMITS.comment - mark.length - 1, '\n\n…cut: the whole of it is in the log.')}`;
      const found = await pages(
        'GET /repos/{owner}/{repo}/issues/{issue_number}/comments',
        { issue_number: change },
        (data) => schema.comments.parse(data),
        (one) => one.body?.startsWith(mark) === true,
      );
      if (found?.body === text) return { id: found.id, url: found.html_url ?? null, done: 'nothing' };
      const { data } =
        found === null
          ? await send('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { issue_number: change, body: text })
          : await send('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', { comment_id: found.id, body: text });
      const { id, html_url: url } = schema.comment.parse(data);
      return { id, url: url ?? null, done: found === null ? 'created' : 'updated' };
    },

    async protection({ run, environment, state, comment }: ProtectionAnswer): Promise<void> {
      const route = 'POST /repos/{owner}/{repo}/actions/runs/{run_id}/deployment_protection_rule';
      await send(route, { run_id: run, environment_name: environment, state, comment: cut(comment, LIMITS.summary) }).catch(
        (error: unknown) => {
          // An answer that got through, and whose receipt did not. Another answer than ours is none of ours.
          if (
            error instanceof UserError &&
            error.code === 'HOST_REFUSED' &&
            new RegExp(`already (been )?(${state}|reviewed)`, 'i').test(error.message)
          )
            return;
          throw error;
        },
      );
    },
  };
}

function releaseIn(payload: unknown): unknown {
  if (typeof payload === 'object' && payload !== null) return (payload as Record<string, unknown>)['sluice'];
  try {
    return typeof payload === 'string' ? releaseIn(JSON.parse(payload)) : undefined;
  } catch {
    return undefined;
  }
}

function statusOf(report: DeploymentReport): Readonly<Record<string, unknown>> & { readonly state: string; readonly description: string } {
  return {
    state: report.state,
    description: cut(report.description, LIMITS.description),
    environment: report.environment,
    ...(report.environmentUrl === null ? {} : { environment_url: report.environmentUrl }),
    ...(report.logUrl === null ? {} : { log_url: report.logUrl }),
    // Whatever was in the environment before is inactive once this is in it.
    auto_inactive: report.state === 'success',
  };
}

function keyOf({ name, commit }: CheckRunReport): string {
  return `sluice/${name}/${commit}`;
}

function runOf(report: CheckRunReport, annotations: readonly GithubAnnotation[]): Readonly<Record<string, unknown>> {
  return {
    name: report.name,
    ...(report.conclusion === null ? { status: 'in_progress' } : { status: 'completed', conclusion: report.conclusion }),
    ...(report.detailsUrl === null ? {} : { details_url: report.detailsUrl }),
    output: outputOf(report, annotations),
  };
}

function outputOf(report: CheckRunReport, annotations: readonly GithubAnnotation[]): Readonly<Record<string, unknown>> {
  return { title: cut(report.title, 255), summary: summaryOf(report.summary, report.annotations.length), annotations };
}
