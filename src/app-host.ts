import { githubHost } from './adapters/source-control/github/github.ts';
import { plainRequest } from './adapters/source-control/github/request.ts';
import { githubEvent } from './adapters/source-control/github/webhook.ts';
import type { GithubConfig } from './config/github.ts';
import { loadConfig } from './config/load.ts';
import type { Planner } from './config/planner.ts';
import { closedText } from './core/access/window.ts';
import { SluiceError, UserError } from './core/errors.ts';
import type { Engine } from './engine/face.ts';
import { type ReportedHost, startHostReports } from './host-reports.ts';
import type { HostEvent, ProtectionAnswer } from './ports/source-control.ts';
import type { HookAnswer } from './server/hooks.ts';

export interface HostOptions {
  readonly engine: Engine;
  readonly planner: Planner;
  /** Root of the workspace. */
  readonly workspace: string;
  /** The control plane's own variables. */
  readonly env: NodeJS.ProcessEnv;
  environmentUrl(environment: string): Promise<string | null>;
  now(): number;
  warn(message: string): void;
  /** A value that must not show anywhere. */
  notice(secret: string): void;
}

/** The host of the repository, as `github` of the configuration names it: reports go there, deliveries come from there. */
export function createHost(options: HostOptions) {
  return {
    /** Takes one delivery. @throws UserError `WEBHOOK_UNKNOWN`, `WEBHOOK_UNSIGNED`, `WEBHOOK_INVALID`. */
    take: (headers: Readonly<Record<string, string | string[] | undefined>>, body: Uint8Array) => take(options, headers, body),
    start: () =>
      startHostReports({
        engine: options.engine,
        environmentUrl: options.environmentUrl,
        warn: options.warn,
        host: async () => {
          const { github } = await loadConfig(options.workspace);
          return github === undefined ? null : connect(github, options);
        },
      }),
  };
}

function connect(github: GithubConfig, options: HostOptions): ReportedHost {
  const { repository, token, url = 'https://api.github.com', deployments = true, checks = false, comments = true, link } = github;
  const [owner = '', repo = ''] = repository.split('/');
  const secret = valueOf(token, options);
  return {
    host: githubHost({ owner, repo, request: plainRequest({ url, token: () => secret }) }),
    deployments,
    checks,
    comments,
    releaseUrl: (release) => link?.replace('{release}', encodeURIComponent(release)) ?? null,
  };
}

async function take(
  options: HostOptions,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: Uint8Array,
): Promise<HookAnswer> {
  const { github } = await loadConfig(options.workspace);
  const secrets = github?.webhookSecrets ?? [];
  if (github === undefined || secrets.length === 0)
    throw new UserError(
      'WEBHOOK_UNKNOWN',
      'no deliveries of GitHub are taken here',
      'Name what they are signed with: github: { webhookSecrets: [{ fromEnv: "…" }] } in the configuration.',
    );
  const event = githubEvent(
    { headers, body },
    secrets.map((one) => valueOf(one, options)),
  );
  if (event.kind !== 'protection') return { taken: false, kind: event.kind };
  const { host } = connect(github, options);
  // GitHub waits ten seconds for the receipt, and thirty days for the answer.
  void answerOf(options, event)
    .then((answer) => host.protection(answer))
    .catch((error: unknown) => {
      options.warn(`run ${event.run} was not answered: ${error instanceof Error ? error.message : String(error)}`);
    });
  return { taken: true, kind: event.kind };
}

/**
 * Whether a job may begin to deploy to an environment now. What a release itself looks into (checks, approval, evidence) it
 * looks into when the job makes one.
 */
async function answerOf(options: HostOptions, event: HostEvent & { readonly kind: 'protection' }): Promise<ProtectionAnswer> {
  const { run, environment, commit } = event;
  const because = await refusal(options, environment, commit);
  return because === null
    ? { run, environment, state: 'approved', comment: `${environment} may be deployed to; the release goes through its own gates.` }
    : { run, environment, state: 'rejected', comment: because };
}

async function refusal({ planner, engine, now }: HostOptions, environment: string, commit: string | null): Promise<string | null> {
  const resolved = await planner.environment(environment).catch((error: unknown) => {
    if (error instanceof SluiceError) return error.message;
    throw error;
  });
  if (typeof resolved === 'string') return resolved;
  const window = resolved.governance?.window ?? null;
  const closed = window === null ? null : closedText(window, now());
  if (closed !== null) return `${environment}: ${closed}.`;
  const newest = (await engine.releases({ environment, limit: 50 })).find((one) => one.commit === commit && commit !== null);
  const isBad = newest?.outcome === 'Failed' || newest?.outcome === 'RolledBack' || newest?.outcome === 'RollbackFailed';
  return isBad ? `This commit was put back in ${environment} by release ${newest.id}: ${newest.reason ?? newest.outcome}.` : null;
}

/** @throws UserError `GITHUB_VARIABLE_MISSING`. */
function valueOf({ fromEnv }: { readonly fromEnv: string }, { env, notice }: HostOptions): string {
  const found = env[fromEnv] ?? '';
  if (found === '')
    throw new UserError(
      'GITHUB_VARIABLE_MISSING',
      `\`github\` needs ${fromEnv}, and the control plane does not have it`,
      `Start it with ${fromEnv} set: \`sluice down\`, then any command.`,
    );
  notice(found);
  return found;
}
