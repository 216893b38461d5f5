import { z } from 'zod';
import { flag, matching, object } from './parts.ts';

const fromEnv = object({
  fromEnv: matching(/^[A-Za-z_]\w*$/, 'the name of a variable').describe("Name of a variable of the control plane's own environment."),
});

export const github = object({
  repository: matching(/^[\w.-]+\/[\w.-]+$/, 'a repository such as "acme/shop"').describe('Whose commits are deployed: owner/name.'),
  token: fromEnv.describe(
    'Who speaks: a token that may write deployments, checks and pull requests. Checks and protection rules take the token of an app only.',
  ),
  url: matching(/^https?:\/\/\S+$/, 'an address such as "https://github.example.com/api/v3"')
    .optional()
    .meta({ description: 'Where the API is, of an Enterprise server.', default: 'https://api.github.com' }),
  deployments: flag.optional().meta({ description: 'Show each release as a deployment with its status.', default: true }),
  checks: flag.optional().meta({ description: 'Show each release as a check of its commit.', default: false }),
  comments: flag
    .optional()
    .meta({ description: 'Keep one comment for each environment on the pull requests that a commit came by.', default: true }),
  link: matching(/^https?:\/\/\S+$/, 'an address such as "https://sluice.example.com/releases/{release}"')
    .optional()
    .describe('Where people follow a release; `{release}` stands for its id.'),
  webhookSecrets: z
    .array(fromEnv, { error: 'a list of { fromEnv }' })
    .optional()
    .describe('What deliveries to /hooks/github are signed with; several while one replaces another. Left out: none is taken.'),
}).meta({ id: 'Github', description: 'Where it is shown what becomes of a commit.' });

export type GithubConfig = z.input<typeof github>;
