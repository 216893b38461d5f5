import { z } from 'zod';

/* Of GitHub's answers only what is used. */

export const deployments = z.array(
  z.object({ id: z.number(), payload: z.union([z.record(z.string(), z.unknown()), z.string()]).nullish() }),
);
export const deployment = z.object({ id: z.number() });
export const statuses = z.array(
  z.object({ state: z.string(), description: z.string().nullish(), environment_url: z.string().nullish(), log_url: z.string().nullish() }),
);
export const checkRuns = z.object({
  check_runs: z.array(z.object({ id: z.number(), external_id: z.string().nullish(), output: z.object({ annotations_count: z.number() }) })),
});
export const checkRun = z.object({ id: z.number(), html_url: z.string().nullish() });
export const changes = z.array(z.object({ number: z.number() }));
export const comments = z.array(z.object({ id: z.number(), body: z.string().nullish(), html_url: z.string().nullish() }));
export const comment = z.object({ id: z.number(), html_url: z.string().nullish() });

export const problem = z.object({ message: z.string() });

/** `run_id` stands in the address that GitHub asks to be called back at. */
export const protectionEvent = z.object({
  environment: z.string(),
  deployment_callback_url: z.string(),
  deployment: z.object({ sha: z.string() }).nullish(),
});
export const pushEvent = z.object({ ref: z.string(), after: z.string(), pusher: z.object({ name: z.string() }) });
const repository = z.object({ full_name: z.string() });
export const pullRequestEvent = z.object({
  action: z.string(),
  number: z.number(),
  pull_request: z.object({ head: z.object({ sha: z.string(), repo: repository.nullish() }) }),
  repository,
});
