import { z } from 'zod';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { ServerParts } from '../parts.ts';
import { definedOnly, send } from './releases.ts';
import type { Route } from '../http/route.ts';
import { eventRoute, route } from '../http/route.ts';
import * as schema from '../schemas.ts';

const limit = schema.count(1000).optional();

/** What runs where, what happened, and how the control plane is. */
export function operationRoutes(parts: ServerParts): readonly Route[] {
  const { engine, planner } = parts;
  const startedAt = Date.now();
  return [
    route({
      method: 'GET',
      url: '/v1/environments',
      id: 'listEnvironments',
      group: 'environments',
      summary: 'Environments: those of the configuration first, then others that something has been released to.',
      answer: z.object({ environments: z.array(schema.environment) }),
      async handle() {
        const [configured, known] = await Promise.all([planner.environments(), engine.environments()]);
        const names = [...configured, ...known.filter((name) => !configured.includes(name)).toSorted()];
        const describe = async (name: string) => ({
          name,
          configured: configured.includes(name),
          url: (await parts.edgeUrl?.(name)) ?? null,
        });
        return { environments: await Promise.all(names.map(describe)) };
      },
    }),
    route({
      method: 'GET',
      url: '/v1/manifest/:environment',
      id: 'getManifest',
      group: 'environments',
      summary: 'What runs in an environment now.',
      params: z.object({ environment: schema.environmentName }),
      answer: schema.manifest,
      async handle({ params: { environment } }) {
        // One that is no longer configured may still run something.
        if (!(await engine.environments()).includes(environment)) await planner.environment(environment);
        return engine.manifest(environment);
      },
    }),
    route({
      method: 'GET',
      url: '/v1/history',
      id: 'history',
      group: 'environments',
      summary: 'Releases that are over, newest first.',
      query: z.object({ environment: schema.environmentName.optional(), app: schema.appName.optional(), limit }),
      answer: z.object({ releases: z.array(schema.releaseRow) }),
      handle: async ({ query }) => ({ releases: await engine.releases({ ...definedOnly(query), active: false }) }),
    }),
    route({
      method: 'GET',
      url: '/v1/timeline',
      id: 'timeline',
      group: 'environments',
      summary: 'Events of all releases after a position, oldest first.',
      query: z.object({ after: schema.count(Number.MAX_SAFE_INTEGER).optional(), limit }),
      answer: z.object({ events: z.array(schema.event), next: z.number().describe('Ask after this position next.') }),
      async handle({ query }) {
        const after = query.after ?? 0;
        const events = await engine.events({ after, limit: query.limit ?? 200 });
        return { events, next: events.at(-1)?.position ?? after };
      },
    }),
    eventRoute({
      url: '/v1/events',
      id: 'follow',
      group: 'environments',
      summary: 'Events of all releases, then as they happen.',
      query: z.object({ after: schema.count(Number.MAX_SAFE_INTEGER).optional() }),
      async stream({ query, lastEventId }, open) {
        const sink = open();
        await engine.follow({ after: lastEventId ?? query.after ?? 0 }, (entry) => send(sink, entry), sink.signal);
      },
    }),
    eventRoute({
      url: '/v1/logs',
      id: 'logs',
      group: 'environments',
      summary: "An app's output, line by line: `line` events, then `end`.",
      query: z.object({
        environment: schema.environmentName,
        app: schema.appName,
        version: z.string().optional(),
        lines: schema.count(100_000).optional(),
        follow: schema.flag.optional(),
      }),
      async stream({ query }, open) {
        if (parts.logs === undefined)
          throw new UserError('LOGS_UNAVAILABLE', 'this control plane keeps no logs of apps', 'Look where the platform keeps them.');
        const { environment, app, version, lines = 200, follow = false } = query;
        const known = await planner.environment(environment);
        if (!known.apps.some((one) => one.app === app)) {
          throw new UserError(
            'UNKNOWN_APP',
            `there is no app ${app} in ${environment}`,
            `It has ${known.apps.map((one) => one.app).join(', ') || 'none'}.`,
          );
        }
        const sink = open();
        const options = { lines, follow, signal: sink.signal, ...(version === undefined ? {} : { version }) };
        for await (const line of parts.logs({ environment, app }, options)) {
          if (sink.signal.aborted) return;
          sink.send({ event: 'line', data: line });
        }
        sink.send({ event: 'end', data: {} });
      },
    }),
    route({
      method: 'POST',
      url: '/v1/holds/lift',
      id: 'liftHold',
      group: 'environments',
      summary: 'Allow a version again that a rollback has rejected.',
      body: schema.liftBody,
      answer: schema.done,
      async handle({ body: { environment, app, version, by } }) {
        const held = (await engine.manifest(environment)).apps[app]?.held ?? [];
        const matches = held.filter((entry) => entry.version.startsWith(version));
        const [match] = matches;
        if (match === undefined || new Set(matches.map((entry) => entry.version)).size > 1) {
          const names = [...new Set(held.map((entry) => entry.version))].join(', ') || 'none';
          throw new UserError('UNKNOWN_VERSION', `${app} has no held version "${version}" in ${environment}`, `Held there: ${names}.`);
        }
        await engine.liftHold(environment, app, match.version, by);
        return { message: `version ${match.version} of ${app} may be deployed to ${environment} again` };
      },
    }),
    route({
      method: 'GET',
      url: '/v1/audit/verify',
      id: 'verifyAudit',
      group: 'operations',
      summary: 'Walk the hash chain of all events.',
      answer: schema.audit,
      handle: () => engine.verifyAudit(),
    }),
    route({
      method: 'GET',
      url: '/v1/control-planes',
      id: 'listControlPlanes',
      group: 'operations',
      summary: 'Control planes that share this database.',
      answer: z.object({ controlPlanes: z.array(schema.controlPlane) }),
      handle: async () => ({ controlPlanes: await engine.controlPlanes() }),
    }),
    route({
      method: 'GET',
      url: '/v1/health',
      id: 'health',
      group: 'operations',
      summary: 'Whether the control plane answers, and which one it is.',
      answer: schema.health,
      handle: async () => ({
        status: 'ok',
        version: parts.version,
        api: 1,
        workspace: parts.workspace,
        pid: process.pid,
        startedAt,
        now: Date.now(),
      }),
    }),
    route({
      method: 'GET',
      url: '/v1/served/:environment',
      id: 'served',
      group: 'environments',
      summary: 'What users of an environment get now: every route of every app that is out, asked once through the edge as a user would.',
      params: z.object({ environment: schema.environmentName }),
      answer: z.object({ environment: z.string(), apps: z.array(schema.servedApp) }),
      handle: async ({ params: { environment } }) => ({ environment, apps: [...((await parts.served?.(environment)) ?? [])] }),
    }),
    route({
      method: 'GET',
      url: '/v1/doctor',
      id: 'doctor',
      group: 'operations',
      summary: "How the control plane's own surroundings are.",
      answer: z.object({ findings: z.array(schema.finding) }),
      handle: async () => ({ findings: (await parts.doctor?.()) ?? [] }),
    }),
    route({
      method: 'POST',
      url: '/v1/shutdown',
      id: 'shutdown',
      group: 'operations',
      summary: 'End this control plane. Apps and edges go on without it, unless `all`.',
      body: schema.shutdownBody,
      answer: schema.done,
      async handle({ body: { all } }) {
        if (parts.shutdown === undefined)
          throw new OutsideError('SHUTDOWN_UNAVAILABLE', 'this control plane is not ended from here', 'End it where it was started.');
        const { shutdown } = parts;
        // After the answer: the caller hears that its request was understood.
        setTimeout(() => shutdown({ all }), 50);
        return { message: all ? 'the control plane ends, and everything it has started' : 'the control plane ends; apps and edges go on' };
      },
    }),
  ];
}
