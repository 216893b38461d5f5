import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import type { Projections } from '../../ports/projections.ts';
import { type Route, route } from '../http/route.ts';
import * as schema from '../schemas.ts';

const projectionName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/)
  .describe('Name of a projection.');
const version = z.number().int().min(1);
const id = z.object({ name: projectionName, version });
const which = { environment: schema.environmentName, name: projectionName };
const progress = z.object({
  share: z.number().describe('0 to 1.'),
  events: z.number(),
  rate: z.number().nullable().describe('Events a second.'),
  etaMs: z.number().nullable().describe('Milliseconds to go.'),
});
const status = z
  .object({
    source: z.string(),
    name: z.string(),
    version: z.number(),
    phase: z.enum(['notBuilt', 'catchUp', 'paused', 'tail', 'stopped']),
    live: z.boolean().describe('Readers use it.'),
    keptUntil: z.number().nullable(),
    progress: progress.nullable(),
    verified: z.boolean().nullable(),
    deadLetters: z.number().describe('Events that could not be applied.'),
    error: z.string().nullable(),
  })
  .meta({ id: 'Projection', description: 'One version of a read model.' });
const report = z
  .object({
    passed: z.boolean(),
    reasons: z.array(z.string()),
    expected: z.array(z.string()),
    rows: z.number(),
    compared: z.number(),
    against: z.number().nullable(),
    refolded: z.object({ rows: z.number(), events: z.number() }).nullable(),
  })
  .meta({ id: 'ProjectionVerification' });
const finding = z.object({
  projection: z.string(),
  type: z.string(),
  schema: z.number(),
  events: z.number(),
  problem: z.enum(['missing', 'newer', 'unread']),
  message: z.string(),
});
const switched = z.object({
  from: z.number().nullable(),
  to: z.number(),
  tries: z.number(),
  missing: z.array(z.string()),
  added: z.array(z.string()),
});

/** Read models: what there is, and what people ask of it. */
export function projectionRoutes(parts: { readonly projections?: Projections }): readonly Route[] {
  const port = (): Projections => {
    if (parts.projections !== undefined) return parts.projections;
    throw new UserError('PROJECTIONS_UNAVAILABLE', 'this control plane has no projections', 'Ask the one that does.');
  };
  const common = { method: 'POST', group: 'operations' } as const;
  return [
    route({
      method: 'GET',
      url: '/v1/projections/:environment',
      id: 'listProjections',
      group: 'operations',
      summary: 'Every version of every read model of an environment, and how far those are that are being built.',
      params: z.object({ environment: schema.environmentName }),
      answer: z.object({ projections: z.array(status) }),
      handle: async ({ params }) => ({ projections: await port().list(params.environment) }),
    }),
    route({
      ...common,
      url: '/v1/projections/rebuild',
      id: 'rebuildProjection',
      summary: 'Begin to build the version that a module stands for, or go on with it. Answers at once.',
      body: z.object({ ...which, shards: z.number().int().min(1).max(16).optional() }),
      answer: id,
      handle: ({ body: { environment, name, shards } }) => port().rebuild(environment, name, shards === undefined ? {} : { shards }),
    }),
    route({
      ...common,
      url: '/v1/projections/verify',
      id: 'verifyProjection',
      summary: 'Hold a version against the one that readers use, and against its events.',
      body: z.object({ ...which, version: version.nullable().describe('Null: the newest.') }),
      answer: report,
      async handle({ body }) {
        const { passed, reasons, expected, rows, compared, against, refolded } = await port().verify(
          body.environment,
          body.name,
          body.version,
        );
        return { passed, reasons, expected, rows, compared, against, refolded };
      },
    }),
    route({
      ...common,
      url: '/v1/projections/switch',
      id: 'switchProjection',
      summary: 'Let readers see another version. It must have been verified, unless it is the one before.',
      body: z.object({
        ...which,
        to: z
          .union([version, z.literal('previous')])
          .nullable()
          .describe('Null: the newest.'),
      }),
      answer: switched,
      handle: ({ body }) => port().switch(body.environment, body.name, body.to),
    }),
    route({
      ...common,
      url: '/v1/projections/pause',
      id: 'pauseProjection',
      summary: 'Stop building at the next checkpoint.',
      body: z.object(which),
      answer: id,
      handle: ({ body }) => port().pause(body.environment, body.name),
    }),
    route({
      ...common,
      url: '/v1/projections/cancel',
      id: 'cancelProjection',
      summary: 'Remove the newest version, which readers do not use.',
      body: z.object(which),
      answer: id,
      handle: ({ body }) => port().cancel(body.environment, body.name),
    }),
    route({
      method: 'GET',
      url: '/v1/projections/:environment/coverage',
      id: 'projectionCoverage',
      group: 'operations',
      summary: 'Whether every kind of event that is stored can be read.',
      params: z.object({ environment: schema.environmentName }),
      answer: z.object({ findings: z.array(finding) }),
      handle: async ({ params }) => ({ findings: await port().coverage(params.environment) }),
    }),
  ];
}
