import { createHash } from 'node:crypto';
import { githubHost } from '../adapters/source-control/github/github.ts';
import { plainRequest } from '../adapters/source-control/github/request.ts';
import { githubEvent, unsigned } from '../adapters/source-control/github/webhook.ts';
import type { GithubConfig } from '../config/schema/github.ts';
import type { Planner } from '../services/planning/planner.ts';
import type { ConfigReader } from '../config/load/reader.ts';
import { closedText } from '../core/access/window.ts';
import { SluiceError, UserError } from '../core/errors.ts';
import type { Engine } from '../engine/face.ts';
import { type ReportedHost, startHostReports } from '../services/following/host-reports.ts';
import type { HostEvent, ProtectionAnswer } from '../ports/source-control.ts';
import type { Deliveries } from '../server/routes/hooks.ts';

interface FromEnv {
  readonly fromEnv: string;
}

export interface HostOptions {
  readonly engine: Engine;
  readonly planner: Planner;
  readonly config: ConfigReader;
  /** Value of a variable; undefined: it is nowhere set. */
  value(name: string): string | undefined;
  environmentUrl(environment: string): Promise<string | null>;
  now(): number;
  warn(message: string): void;
}

/** The host of the repository, as `github` of the configuration names it: reports go there, deliveries come from there. */
export function createHost(options: HostOptions) {
  return {
    deliveries: deliveriesOf(options),
    start: () =>
      startHostReports({
        engine: options.engine,
        environmentUrl: options.environmentUrl,
        warn: options.warn,
        host: async () => {
          const { github } = await options.config.read();
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

/** Deliveries that are remembered, so that one that comes again does nothing again. */
const REMEMBERED = 10_000;

/**
 * A delivery is verified with the secrets of the last good reading of the configuration: evaluating it for anybody who knocks would
 * let them start processes.
 */
function deliveriesOf(options: HostOptions): Deliveries {
  const seen = new Set<string>();
  const settings = (): { readonly github: GithubConfig; readonly secrets: readonly FromEnv[] } => {
    const github = options.config.last()?.github;
    const secrets = github?.webhookSecrets ?? [];
    if (github !== undefined && secrets.length > 0) return { github, secrets };
    throw new UserError(
      'WEBHOOK_UNKNOWN',
      'no deliveries of GitHub are taken here',
      'Name what they are signed with: github: { webhookSecrets: [{ fromEnv: "…" }] } in the configuration, then run `sluice plan`.',
    );
  };
  return {
    expect(headers) {
      settings();
      if (!/^sha256=[0-9a-f]{64}$/i.test(String(headers['x-hub-signature-256'] ?? ''))) throw unsigned();
    },
    async take(headers, body) {
      const { github, secrets } = settings();
      const event = githubEvent(
        { headers, body },
        secrets.map((one) => valueOf(one, options)),
      );
      // The signature covers the body alone: the id beside it could be another one each time.
      const keys = [`id ${event.delivery}`, `body ${createHash('sha256').update(body).digest('hex')}`];
      if (keys.some((key) => seen.has(key))) return { taken: false, kind: event.kind, repeated: true };
      if (event.kind !== 'protection') return { taken: false, kind: event.kind };
      const { host } = connect(github, options);
      for (const key of keys) seen.add(key);
      for (const key of seen) if (seen.size > REMEMBERED) seen.delete(key);
      // GitHub waits ten seconds for the receipt, and thirty days for the answer.
      void answerOf(options, event)
        .then((answer) => host.protection(answer))
        .catch((error: unknown) => {
          // "Redeliver" at GitHub is how a person tries again.
          for (const key of keys) seen.delete(key);
          options.warn(`run ${event.run} was not answered: ${error instanceof Error ? error.message : String(error)}`);
        });
      return { taken: true, kind: event.kind };
    },
  };
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
function valueOf({ fromEnv }: FromEnv, { value }: HostOptions): string {
  const found = value(fromEnv) ?? '';
  if (found === '')
    throw new UserError(
      'GITHUB_VARIABLE_MISSING',
      `\`github\` needs ${fromEnv}, and the control plane does not have it`,
      `Put it into .env, or set ${fromEnv} where the control plane is started.`,
    );
  return found;
}
