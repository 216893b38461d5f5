import { createReadStream } from 'node:fs';
import { sarifReader } from '../adapters/reports/sarif.ts';
import { githubHost } from '../adapters/source-control/github/github.ts';
import { plainRequest } from '../adapters/source-control/github/request.ts';
import { UserError } from '../core/errors.ts';
import type { CodeHost } from '../ports/source-control.ts';
import type { Annotation } from '../core/source-control/report-types.ts';

/**
 * GitHub as the variables of its Actions name it; elsewhere the same variables are set by hand.
 * @throws UserError `GITHUB_UNKNOWN`.
 */
export function connectGithub(env: NodeJS.ProcessEnv): CodeHost {
  const [owner, repo, ...rest] = (env['GITHUB_REPOSITORY'] ?? '').split('/');
  const token = env['GITHUB_TOKEN'] ?? '';
  if (owner === undefined || owner === '' || repo === undefined || repo === '' || rest.length > 0 || token === '') {
    throw new UserError(
      'GITHUB_UNKNOWN',
      'it is not said which repository of GitHub this is, or who asks',
      'Set GITHUB_REPOSITORY (owner/name) and GITHUB_TOKEN; in a workflow: env: { GITHUB_TOKEN: "${{ github.token }}" }.',
    );
  }
  const url = env['GITHUB_API_URL'] || 'https://api.github.com';
  return githubHost({ owner, repo, request: plainRequest({ url, token: () => token }) });
}

const LEVELS = { blocker: 'failure', critical: 'failure', major: 'failure', minor: 'warning', info: 'notice' } as const;

/**
 * What a SARIF report says of lines, as notes in the margin; what it knows to be old is left out.
 * @throws UserError `SARIF_UNREADABLE`.
 */
export async function readAnnotations(file: string): Promise<readonly Annotation[]> {
  const context = { server: null, token: null, signal: AbortSignal.timeout(60_000) };
  const answer = await sarifReader
    .read(createReadStream(file), context)
    .catch((error: unknown) => ({ problem: { message: String(error) } }));
  if ('problem' in answer || answer.content.kind !== 'findings') {
    const why = 'problem' in answer ? JSON.stringify(answer.problem) : 'it holds no findings';
    throw new UserError(
      'SARIF_UNREADABLE',
      `${file} cannot be read as SARIF: ${why}`,
      'Give the file that sluice check --sarif has written.',
    );
  }
  return answer.content.findings.flatMap((one): Annotation[] => {
    if (one.path === null || one.isNew === false) return [];
    const line = one.line ?? 1;
    return [
      { path: one.path, startLine: line, endLine: one.endLine ?? line, level: LEVELS[one.severity], message: one.message, title: one.rule },
    ];
  });
}
