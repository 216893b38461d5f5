import { z } from 'zod';
import { PREPARATIONS } from '../core/release/preparations/index.ts';

/**
 * What goes over the wire. Requests are checked against these, answers are described by them, and the
 * OpenAPI document is made from them: one definition for all three.
 */

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, 'letters, digits, ".", "_" and "-"');
const by = z.string().trim().min(1).max(200).describe('Who asks for it: a name for the audit log.');
const reason = z.string().trim().min(1).max(1000);
const time = z.number().describe('Milliseconds since the Unix epoch.');
const duration = z.number().describe('Milliseconds.');
const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const environmentName = name.describe('Name of an environment.');
export const appName = name.describe('Name of an app.');
export const releaseId = z.string().min(1).max(100).describe('Id of a release.');

const plain = z.record(z.string(), z.unknown());

const versionRef = z
  .object({
    id: z.string(),
    artifact: z.string(),
    commit: z.string().nullable(),
    run: plain,
    health: plain.nullable(),
  })
  .meta({ id: 'Version' });

const step = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('weight'), weight: z.number() }),
  z.object({ kind: z.literal('bake'), forMs: duration }),
  z.object({ kind: z.literal('pause'), forMs: duration.nullable() }),
]);

const strategy = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('recreate') }),
    z.object({ kind: z.literal('allAtOnce'), soakMs: duration }),
    z.looseObject({ kind: z.literal('blueGreen'), confirm: z.boolean(), bakeMs: duration, analysis: plain.nullable(), soakMs: duration }),
    z.looseObject({ kind: z.literal('canary'), steps: z.array(step), analysis: plain.nullable(), soakMs: duration }),
  ])
  .meta({ id: 'Strategy' });

const plannedApp = z
  .object({
    app: appName,
    path: z.string(),
    platform: z.string(),
    dependsOn: z.array(z.string()),
    reason: z.string().describe('Why it is in the plan, one phrase.'),
    fingerprint: z.string().describe("Identity of the build's inputs."),
    artifact: z.string().nullable(),
    stable: versionRef.nullable().describe('What was stable as the plan was made; null = first deploy.'),
    build: plain.nullable(),
    run: plain,
    health: plain.nullable(),
    smoke: plain.nullable(),
    routes: z.array(plain),
    sticky: plain,
    strategy,
    deadlines: plain,
    concurrency: z.enum(['queue', 'supersede', 'reject']),
  })
  .meta({ id: 'PlannedApp' });

const approval = z
  .object({
    number: z.number().describe('How many people have to say yes.'),
    from: z.array(z.object({ role: z.string(), people: z.array(z.string()) })).describe('Who may; empty: anybody but the author.'),
    expiresMs: duration,
    authors: z.array(z.string()),
  })
  .meta({ id: 'ApprovalRule' });

/** What comes before the rollouts, one key a stage. */
const stages = Object.fromEntries(PREPARATIONS.map(({ planned, words }) => [planned, plain.optional().describe(words.about)]));

const plan = z
  .object({
    schema: z.literal(1),
    workspace: z.string(),
    environment: environmentName,
    kind: z.enum(['deploy', 'rollback']),
    source: z.object({ commit: z.string().nullable(), branch: z.string().nullable(), dirty: z.boolean() }),
    apps: z.array(plannedApp).describe('In dependency order.'),
    unchanged: z.array(
      z.object({
        app: z.string(),
        reason: z.string(),
        keptBack: z.enum(['held', 'unhealthy']).optional().describe('It would have been deployed, and this stands against it.'),
      }),
    ),
    deadlines: z.object({ queueMs: duration, pauseMs: duration, rollbackMs: duration }),
    ...stages,
    approval: approval.optional(),
    promotedFrom: environmentName.optional().describe('Environment whose healthy versions are taken, by digest.'),
    breakGlass: z.object({ reason: z.string() }).optional().describe('An emergency: the rules are set aside for one other person.'),
    hash,
  })
  .meta({ id: 'Plan', description: 'Everything a release will do, decided before it does any of it.' });

const outcome = z.enum(['Succeeded', 'Failed', 'Errored', 'Aborted', 'RolledBack', 'RollbackFailed']).meta({ id: 'Outcome' });

const cause = z
  .object({ kind: z.enum(['verdict', 'technical', 'person']), app: z.string().nullable(), code: z.string(), message: z.string() })
  .meta({ id: 'Cause', description: 'Why a release did not go on.' });

const rollout = z
  .looseObject({
    stage: z.string(),
    stageSince: time,
    phase: z.enum(['Pending', 'Progressing', 'Paused', 'Healthy', 'Degraded']),
    candidate: versionRef.nullable(),
    weights: z.record(z.string(), z.number()),
    step: z.number(),
    stepSince: time,
    pause: z.object({ reason: z.enum(['manual', 'pauseStep', 'confirm', 'inconclusive']), since: time, message: z.string() }).nullable(),
    verdict: plain.nullable(),
    cause: cause.nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'Rollout', description: "One app's part of a release." });

export const release = z
  .looseObject({
    id: releaseId,
    plan,
    by: z.string(),
    retryOf: z.string().nullable(),
    requestedAt: time,
    stage: z.enum(['checking', 'awaiting', 'scheduled', 'queued', 'preparing', 'rolling', 'finishing', 'restoring', 'ended', 'closed']),
    stageSince: time,
    waitingFor: z.object({ app: z.string(), holder: z.string(), since: time }).nullable(),
    pause: z.object({ since: time, by: z.string(), reason: z.string().nullable() }).nullable(),
    cause: cause.nullable(),
    preparation: plain.describe('Evidence gathered on the way to the rollouts: checks, approval, restore points, migrations, projections.'),
    rollouts: z.record(z.string(), rollout),
    outcome: outcome.nullable(),
    reason: z.string().nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: 'Release', description: 'A plan being carried out in one environment, folded from its events.' });

export const releaseRow = z
  .object({
    id: releaseId,
    environment: environmentName,
    apps: z.array(z.string()),
    kind: z.enum(['deploy', 'rollback']),
    commit: z.string().nullable(),
    planHash: z.string(),
    by: z.string(),
    requestedAt: time,
    endedAt: time.nullable(),
    outcome: outcome.nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'ReleaseRow' });

export const event = z
  .object({
    position: z.number().describe('Global position; what Last-Event-ID names.'),
    stream: z.string(),
    version: z.number().describe('Position in its stream, from 1.'),
    type: z.string(),
    schema: z.number(),
    at: time,
    data: z.looseObject({ type: z.string() }),
    hash: z.string().describe("Over the previous event's hash and this event."),
  })
  .meta({ id: 'Event' });

const manifestApp = z
  .looseObject({
    app: appName,
    platform: z.string(),
    stable: versionRef.nullable(),
    fingerprint: z.string().nullable(),
    weights: z.record(z.string(), z.number()),
    release: z.string().nullable(),
    since: time,
    history: z.array(z.object({ version: versionRef, fingerprint: z.string(), release: z.string(), at: time })),
    held: z.array(z.object({ version: z.string(), fingerprint: z.string(), reason: z.string(), release: z.string(), at: time })),
  })
  .meta({ id: 'ManifestApp' });

export const manifest = z
  .object({ environment: environmentName, apps: z.record(z.string(), manifestApp) })
  .meta({ id: 'Manifest', description: 'What runs where in an environment now.' });

export const environment = z
  .object({
    name: environmentName,
    configured: z.boolean().describe('Whether the configuration still names it.'),
    url: z.string().nullable().describe('Where its users reach it, as far as an edge is running.'),
  })
  .meta({ id: 'Environment' });

export const controlPlane = z
  .object({ id: z.string(), host: z.string(), pid: z.number(), startedAt: time, seenAt: time, alive: z.boolean(), releases: z.number() })
  .meta({ id: 'ControlPlane' });

export const audit = z
  .object({ events: z.number(), intact: z.boolean(), brokenAt: z.number().nullable(), head: z.string().nullable() })
  .meta({ id: 'AuditReport' });

export const finding = z
  .object({
    name: z.string(),
    status: z.enum(['ok', 'warn', 'fail']),
    message: z.string(),
    hint: z.string().nullable().describe('What to do about it.'),
  })
  .meta({ id: 'Finding' });

export const servedApp = z
  .object({
    app: z.string(),
    routes: z.array(
      z.object({
        route: z.string().describe('Host and path, as they were asked.'),
        status: z.number().nullable().describe('Status of the answer; null: there was none.'),
        trouble: z.string().nullable().describe('Why users are not served; null: they are.'),
      }),
    ),
    trouble: z.string().nullable().describe('What is wrong with the app for its users, one phrase; null: nothing is known to be.'),
  })
  .meta({ id: 'ServedApp' });

export const health = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    api: z.literal(1),
    workspace: z.string(),
    pid: z.number(),
    startedAt: time,
    now: time,
  })
  .meta({ id: 'Health' });

export const problem = z
  .object({
    type: z.string().describe('Address of the explanation of this code.'),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string().describe('Stable; see docs/errors.md.'),
    hint: z.string().nullable().describe('What to do next.'),
    problems: z.array(z.unknown()).optional().describe('Every mistake found, where there may be several.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

export const planBody = z.strictObject({
  environment: environmentName,
  apps: z.array(appName).optional().describe('Only these, and these even when nothing changed.'),
  force: z.boolean().optional().describe('All apps, even when nothing changed.'),
  liftHold: z.boolean().optional().describe('Take versions that are held back, too.'),
  breakGlass: reason.optional().describe("An emergency: set the environment's rules aside for one other person's word, for this reason."),
});

export const deployBody = planBody.extend({
  planHash: hash
    .optional()
    .describe('Hash of the plan that was looked at; refused with PLAN_STALE when the plan would be another one now.'),
  plan: plain.optional().describe('Exactly this plan, as `POST /v1/plans` gave it; refused with PLAN_STALE when the world has moved.'),
  by,
});

export const rollbackBody = z.strictObject({
  environment: environmentName,
  app: appName.optional(),
  to: z.string().min(4).max(64).optional().describe('Version id, or its beginning.'),
  preview: z.boolean().optional().describe('Say what would be done; do nothing.'),
  planHash: hash.optional(),
  by,
});

export const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable');

/** A variable that `{ fromEnv }` names. Its value is told to nobody. */
export const variable = z
  .object({
    name: variableName,
    apps: z.array(z.string()).describe('Apps that take it; empty: the control plane itself.'),
    from: z
      .string()
      .nullable()
      .describe('Where its value is found: `caller`, a `.env` file, `kept` from an earlier deploy, or `control plane`; null: nowhere.'),
    isHidden: z.boolean().describe('Whether its value is taken out of logs and answers: short and everyday ones are not.'),
  })
  .meta({ id: 'Variable' });

export const planAnswer = z
  .object({
    plan,
    notices: z.array(z.string()).describe('What a person should know first.'),
    variables: z
      .array(variable)
      .optional()
      .describe('Variables that the apps of the plan take. A deploy is refused while one has no value.'),
  })
  .meta({ id: 'PlanAnswer' });

export const requested = z
  .object({ id: releaseId.nullable().describe('Null: nothing to do, and `message` says why.'), plan, message: z.string() })
  .meta({ id: 'Requested' });

export const rolledBack = z
  .object({
    action: z
      .enum(['abort', 'following', 'release', 'preview'])
      .describe('`abort`: a release under way is put back. `following`: it already is.'),
    id: releaseId.nullable(),
    plan: plan.nullable(),
    message: z.string(),
  })
  .meta({ id: 'RolledBack' });

export const promoteBody = z.strictObject({ by, full: z.boolean().default(false), app: appName.optional() });
export const approveBody = z.strictObject({
  by,
  app: appName.optional(),
  planHash: hash.optional().describe('Hash of the plan that was looked at; any other one is not approved.'),
  note: reason.optional(),
});
export const promotionBody = z.strictObject({
  from: environmentName,
  to: environmentName,
  apps: z.array(appName).optional(),
  breakGlass: reason.optional(),
});
export const reasonedBody = z.strictObject({ by, reason: reason.optional() });
export const rejectBody = z.strictObject({ by, reason });
export const byBody = z.strictObject({ by });
export const liftBody = z.strictObject({ environment: environmentName, app: appName, version: z.string().min(1), by });
export const shutdownBody = z.strictObject({ all: z.boolean().default(false).describe('Apps, edges and the embedded database as well.') });

const checkEvidence = z
  .object({ app: appName, verdict: z.enum(['passed', 'failed', 'none']), evidence: z.array(plain), waivers: z.array(plain) })
  .meta({ id: 'CheckEvidence' });

export const waitingApproval = z
  .object({
    release: releaseId,
    environment: environmentName,
    kind: z.enum(['plan', 'pause']).describe('`plan`: nothing has happened yet. `pause`: a rollout under way.'),
    apps: z.array(z.string()),
    by: z.string().describe('Who asked for the release.'),
    since: time,
    expiresAt: time,
    planHash: hash,
    plan,
    given: z.array(z.string()).describe('Who has said yes.'),
    needed: z.number(),
    who: z.string().describe('Who may.'),
    reason: z.string().nullable(),
    checks: z.array(checkEvidence),
  })
  .meta({ id: 'WaitingApproval' });

export const checklistLine = z
  .object({
    item: z.string(),
    result: z.enum(['done', 'failed', 'open', 'notApplicable']),
    text: z.string(),
    proof: z.string().nullable(),
  })
  .meta({ id: 'ChecklistLine' });

export const accepted = z.object({ id: releaseId, message: z.string() }).meta({ id: 'Accepted' });
export const done = z.object({ message: z.string() }).meta({ id: 'Done' });

/** Numbers and yes/no in a query string. */
export const count = (most: number) => z.coerce.number().int().min(0).max(most);
export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
