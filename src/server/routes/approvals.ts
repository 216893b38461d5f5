import { z } from 'zod';
import { approversText } from '../../core/access/approval.ts';
import { checklistOf } from '../../core/release/state/checklist.ts';
import { type ChecklistLine } from '../../core/release/state/checklist-line.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import type { ReleaseState } from '../../core/release/state/state.ts';
import type { Engine } from '../../engine/face.ts';
import { releaseOf } from '../../services/releases/deploys.ts';
import { promotionPlan } from '../../services/planning/exact-plans.ts';
import type { ServerParts } from '../parts.ts';
import { type Route, route } from '../http/route.ts';
import * as schema from '../schemas.ts';
import type { SeenPlans } from '../../services/planning/seen-plans.ts';

/** Releases under way at once that are looked at for what waits. */
const ACTIVE_AT_ONCE = 1_000;

/** What waits for people, plans that are kept, and promotions between environments. */
export function approvalRoutes(parts: ServerParts & { readonly seen: SeenPlans }): readonly Route[] {
  const { engine, planner, seen } = parts;
  return [
    route({
      method: 'GET',
      url: '/v1/approvals',
      id: 'listApprovals',
      group: 'releases',
      summary: 'Releases that wait for a person: plans to be approved, and rollouts that pause.',
      query: z.object({ environment: schema.environmentName.optional() }),
      answer: z.object({ approvals: z.array(schema.waitingApproval) }),
      handle: async ({ query }) => ({ approvals: await waiting(engine, query.environment) }),
    }),
    route({
      method: 'GET',
      url: '/v1/plans/:hash',
      id: 'getPlan',
      group: 'releases',
      summary: 'A plan that was made lately, by its hash or the beginning of it.',
      params: z.object({ hash: z.string().min(8).max(80) }),
      answer: schema.planAnswer,
      handle: async ({ params: { hash } }) => ({ plan: seen.find(hash), notices: [] }),
    }),
    route({
      method: 'GET',
      url: '/v1/releases/:id/checklist',
      id: 'getChecklist',
      group: 'releases',
      summary: 'The deployment checklist of a release, computed from its evidence; once it has ended, as it was recorded then.',
      params: z.object({ id: schema.releaseId }),
      answer: z.object({ release: schema.releaseId, lines: z.array(schema.checklistLine) }),
      handle: async ({ params: { id } }) => ({ release: id, lines: await checklist(engine, id) }),
    }),
    route({
      method: 'POST',
      url: '/v1/promotions',
      id: 'promoteEnvironment',
      group: 'releases',
      summary: 'Plan what is healthy in one environment for another, by digest. Changes nothing; release it with `plan`.',
      body: schema.promotionBody,
      answer: schema.planAnswer,
      handle: async ({ body }) => ({
        plan: seen.remember(await promotionPlan({ engine, planner }, body)),
        notices: [],
      }),
    }),
  ];
}

async function checklist(engine: Engine, id: string): Promise<readonly ChecklistLine[]> {
  const state = await releaseOf(engine, id);
  return (state.outcome === null ? null : await recordedAtEnd(engine, id)) ?? checklistOf(state);
}

/** What the release itself has put on record; null: it ended under a version that did not. */
async function recordedAtEnd(engine: Engine, id: string): Promise<readonly ChecklistLine[] | null> {
  const limit = 1_000;
  for (let after = 0; ;) {
    const page = await engine.events({ release: id, after, limit });
    for (const { data } of page) if (data.type === 'ReleaseEnded') return data.checklist ?? null;
    if (page.length < limit) return null;
    after = page.at(-1)?.position ?? after;
  }
}

interface Waiting {
  readonly release: string;
  readonly environment: string;
  readonly kind: 'plan' | 'pause';
  readonly apps: readonly string[];
  readonly by: string;
  readonly since: number;
  readonly expiresAt: number;
  readonly planHash: string;
  readonly plan: Plan;
  readonly given: readonly string[];
  readonly needed: number;
  readonly who: string;
  readonly reason: string | null;
  readonly checks: NonNullable<ReleaseState['preparation']['checks']>['reports'];
}

async function waiting(engine: Engine, environment: string | undefined): Promise<Waiting[]> {
  const rows = await engine.releases({ active: true, limit: ACTIVE_AT_ONCE, ...(environment === undefined ? {} : { environment }) });
  const states = await Promise.all(rows.map(({ id }) => engine.release(id)));
  return states.flatMap((state) => (state === null ? [] : [...askedOf(state), ...pausesOf(state)]));
}

function askedOf(state: ReleaseState): Waiting[] {
  const { approval } = state.preparation;
  const rule = state.plan.approval;
  if (state.stage !== 'awaiting' || approval === null || rule === undefined) return [];
  return [
    {
      ...whatWaits(state),
      kind: 'plan',
      apps: state.plan.apps.map(({ app }) => app),
      since: approval.askedAt,
      expiresAt: approval.expiresAt,
      given: approval.given.map(({ by }) => by),
      needed: rule.number,
      who: approversText(rule),
      reason: state.plan.breakGlass?.reason ?? null,
    },
  ];
}

/** Pauses of a rollout under way that a person ends. */
function pausesOf(state: ReleaseState): Waiting[] {
  const paused = Object.values(state.rollouts).filter(({ pause }) => pause !== null && pause.reason !== 'inconclusive');
  if (state.stage !== 'rolling') return [];
  return paused.flatMap(({ app, pause }) =>
    pause === null
      ? []
      : [
          {
            ...whatWaits(state),
            kind: 'pause',
            apps: [app.app],
            since: pause.since,
            expiresAt: pause.since + state.plan.deadlines.pauseMs,
            given: [],
            needed: 1,
            who: 'anybody',
            reason: pause.message,
          },
        ],
  );
}

function whatWaits(state: ReleaseState): Pick<Waiting, 'release' | 'environment' | 'by' | 'planHash' | 'plan' | 'checks'> {
  const { id, plan, by, preparation } = state;
  return { release: id, environment: plan.environment, by, planHash: plan.hash, plan, checks: preparation.checks?.reports ?? [] };
}
