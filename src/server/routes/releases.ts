import { z } from 'zod';
import type { Command, Engine, Recorded } from '../../engine/face.ts';
import { approvalRoutes } from './approvals.ts';
import { approve, deploy, makePlan, reject, releaseOf, retry, rollback } from '../../services/releases/deploys.ts';
import type { ServerParts } from '../parts.ts';
import type { Route } from '../http/route.ts';
import { eventRoute, route } from '../http/route.ts';
import * as schema from '../schemas.ts';
import { valueNotices } from './variables.ts';
import { createSeenPlans } from '../../services/planning/seen-plans.ts';
import type { EventSink } from '../http/sse.ts';

const params = z.object({ id: schema.releaseId });
const PAGE = 500;

/** Plans, releases, and what people say to them. */
export function releaseRoutes(given: ServerParts): readonly Route[] {
  const { engine, planner } = given;
  const seen = createSeenPlans();
  const parts = { engine, planner, seen };
  const command = (
    id: string,
    name: string,
    summary: string,
    body: z.ZodObject,
    make: (body: Record<string, unknown>) => Command,
    said: string,
  ): Route =>
    route({
      method: 'POST',
      url: `/v1/releases/:id/${name}`,
      id,
      group: 'releases',
      summary,
      params,
      body,
      answer: schema.accepted,
      async handle({ params: { id: release }, body: given }) {
        await engine.command(release, make(given));
        return { id: release, message: `release ${release} ${said}` };
      },
    });
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const why = (value: unknown): { reason?: string } => (typeof value === 'string' ? { reason: value } : {});

  return [
    route({
      method: 'POST',
      url: '/v1/plans',
      id: 'makePlan',
      group: 'releases',
      summary: 'What a deploy would do now. Changes nothing.',
      body: schema.planBody,
      answer: schema.planAnswer,
      handle: async ({ body }) => {
        const plan = seen.remember(await makePlan(parts, body));
        const variables = given.variables?.of(plan) ?? [];
        return {
          plan,
          notices: [...(await planner.notices(body.environment, plan)), ...valueNotices(variables, body.environment)],
          variables,
        };
      },
    }),
    route({
      method: 'POST',
      url: '/v1/releases',
      id: 'deploy',
      group: 'releases',
      summary: 'Plan and release. `id` is null when there is nothing to do.',
      body: schema.deployBody,
      answer: schema.requested,
      handle: ({ body }) => deploy(parts, body),
    }),
    route({
      method: 'GET',
      url: '/v1/releases',
      id: 'listReleases',
      group: 'releases',
      summary: 'Releases, newest first.',
      query: z.object({
        environment: schema.environmentName.optional(),
        app: schema.appName.optional(),
        active: schema.flag.optional(),
        limit: schema.count(1000).optional(),
      }),
      answer: z.object({ releases: z.array(schema.releaseRow) }),
      handle: async ({ query }) => ({ releases: await engine.releases(definedOnly(query)) }),
    }),
    route({
      method: 'GET',
      url: '/v1/releases/:id',
      id: 'getRelease',
      group: 'releases',
      summary: 'One release as it stands now.',
      params,
      answer: schema.release,
      handle: ({ params: { id } }) => releaseOf(engine, id),
    }),
    eventRoute({
      url: '/v1/releases/:id/events',
      id: 'followRelease',
      group: 'releases',
      summary: 'The events of one release, from the first, then as they happen.',
      params,
      query: z.object({
        after: schema.count(Number.MAX_SAFE_INTEGER).optional(),
        until: z.literal('end').optional().describe('End when the release is over.'),
      }),
      stream: ({ params: { id }, query, lastEventId }, open) =>
        followRelease(engine, id, { after: lastEventId ?? query.after ?? 0, untilEnd: query.until === 'end' }, open),
    }),
    command(
      'promote',
      'promote',
      'Leave the present pause or step; `full`: go to 100 % without further steps or analysis.',
      schema.promoteBody,
      (body) => ({
        kind: 'promote',
        by: text(body['by']),
        full: body['full'] === true,
        ...(typeof body['app'] === 'string' ? { app: body['app'] } : {}),
      }),
      'goes on',
    ),
    command(
      'pause',
      'pause',
      'Stay where it is until resumed.',
      schema.reasonedBody,
      (body) => ({ kind: 'pause', by: text(body['by']), ...why(body['reason']) }),
      'is paused',
    ),
    command('resume', 'resume', 'End a pause.', schema.byBody, (body) => ({ kind: 'resume', by: text(body['by']) }), 'goes on'),
    command(
      'abort',
      'abort',
      'Put everything back to how it was before.',
      schema.reasonedBody,
      (body) => ({ kind: 'abort', by: text(body['by']), ...why(body['reason']) }),
      'is being put back',
    ),
    route({
      method: 'POST',
      url: '/v1/releases/:id/reject',
      id: 'reject',
      group: 'releases',
      summary: 'Say no, with the reason on record: a plan that waits for approval ends, what is under way is put back.',
      params,
      body: schema.rejectBody,
      answer: schema.accepted,
      handle: async ({ params: { id }, body }) => ({ id, message: await reject(engine, id, body.by, body.reason) }),
    }),
    route({
      method: 'POST',
      url: '/v1/releases/:id/approve',
      id: 'approve',
      group: 'releases',
      summary: 'Say yes to the plan of a release that waits for approval, or let a rollout go on that pauses for a person.',
      params,
      body: schema.approveBody,
      answer: schema.accepted,
      handle: async ({ params: { id }, body }) => ({ id, message: await approve(engine, id, body) }),
    }),
    route({
      method: 'POST',
      url: '/v1/releases/:id/retry',
      id: 'retry',
      group: 'releases',
      summary: 'Run the plan of an ended release again, as a new release.',
      params,
      body: schema.byBody,
      answer: schema.requested,
      handle: ({ params: { id }, body }) => retry(parts, id, body.by),
    }),
    route({
      method: 'POST',
      url: '/v1/rollback',
      id: 'rollback',
      group: 'releases',
      summary: 'Put a release under way back, or release the version before.',
      body: schema.rollbackBody,
      answer: schema.rolledBack,
      handle: ({ body }) => rollback(parts, body),
    }),
    ...approvalRoutes({ ...given, seen }),
  ];
}

/**
 * Sends a release's events until the client leaves, or until the release is closed. A client that comes back
 * after the last event gets the end at once.
 * @throws UserError `RELEASE_UNKNOWN`, before anything is sent.
 */
async function followRelease(
  engine: Engine,
  id: string,
  { after, untilEnd }: { readonly after: number; readonly untilEnd: boolean },
  open: () => EventSink,
): Promise<void> {
  const { stage } = await releaseOf(engine, id);
  const sink = open();
  if (untilEnd && stage === 'closed') {
    for (let from = after; !sink.signal.aborted;) {
      const page = await engine.events({ release: id, after: from, limit: PAGE });
      for (const entry of page) send(sink, entry);
      const last = page.at(-1);
      if (last === undefined) break;
      from = last.position;
    }
    return;
  }
  const onEvent = (entry: Recorded): void => {
    send(sink, entry);
    if (untilEnd && entry.type === 'ReservationsReleased') sink.end();
  };
  await engine.follow({ after, release: id }, onEvent, sink.signal);
}

export function send(sink: EventSink, entry: Recorded): void {
  sink.send({ id: String(entry.position), event: entry.type, data: entry });
}

/** Without the keys that are undefined. */
export function definedOnly<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
