import { z } from 'zod';
import { CONDITION, DURATION, MEASURE, parseDuration, ROUTE, splitArgv } from './values.ts';
import { DEFAULTS as D } from './defaults.ts';

/*
 * The one definition of the configuration: its checks, its types, `schema/sluice.schema.json` and
 * `docs/config.md` are all made from it. Each `error` text says what is allowed; `problems.ts` adds
 * where it is and what was found instead.
 */

/** Marks a message that lists the keys an object may have, for `problems.ts`. */
export const KEYS = 'keys: ';

function object<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? KEYS + keys.join(', ') : `an object with ${keys.join(', ')}`),
  });
}

const text = (allowed: string): z.ZodString => z.string({ error: allowed }).min(1, { error: allowed });
const matching = (pattern: RegExp, allowed: string): z.ZodString => z.string({ error: allowed }).regex(pattern, { error: allowed });
const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) => z.enum(values, { error: values.map((value) => `"${value}"`).join(', ') });
const flag = z.boolean({ error: 'true or false' });
const whole = (least: number, allowed: string): z.ZodNumber => z.number({ error: allowed }).int({ error: allowed }).min(least, { error: allowed });

const DURATION_ALLOWED = 'a time such as "250ms", "30s", "5m", "2h", or a number of milliseconds';
const duration = z
  .union([matching(DURATION, DURATION_ALLOWED), whole(0, DURATION_ALLOWED)], { error: DURATION_ALLOWED })
  .meta({ id: 'Duration', description: 'A time: "250ms", "30s", "5m", "2h", "1d", or a number of milliseconds.' });
const positive = duration.refine((value) => (parseDuration(value) ?? 1) > 0, { error: `${DURATION_ALLOWED}, longer than nothing` });

const ARGV_ALLOWED = 'a command as a list of arguments, such as ["node", "server.js"], or one line that is split at spaces (no shell reads it)';
const argv = z
  .union(
    [
      z.array(z.string({ error: 'text' }), { error: ARGV_ALLOWED }).refine((words) => (words[0] ?? '') !== '', { error: `${ARGV_ALLOWED}; not an empty one` }),
      z.string({ error: ARGV_ALLOWED }).refine((line) => (splitArgv(line)?.[0] ?? '') !== '', { error: `${ARGV_ALLOWED}; not an empty one, and every quote closed` }),
    ],
    { error: ARGV_ALLOWED },
  )
  .meta({ id: 'Command', description: 'A command: a list of arguments, or one line split at spaces with \'…\' and "…" holding together. Never read by a shell.' });

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const envName = matching(ENV_NAME, 'the name of a variable: letters, digits and _, not beginning with a digit');
const buildEnv = z.record(envName, z.string({ error: 'text' }), { error: 'an object of variable names and their text' });
const envValue = z.union([z.string({ error: 'text' }), object({ fromEnv: envName.describe("Name of a variable of the control plane's own environment. Its value is read when a version starts, and recorded nowhere.") })], {
  error: 'text, or { fromEnv: "NAME" }',
});
const env = z.record(envName, envValue, { error: 'an object of variable names and their values' }).meta({ id: 'Variables', description: 'Variables by name: text, or `{ fromEnv: "NAME" }` for what must not stand in a file.' });

const PATH_ALLOWED = 'a folder inside the workspace, such as "apps/web"';
const NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME_ALLOWED = 'a name of lower-case letters, digits and -, beginning with a letter (at most 63)';
const name = matching(NAME, NAME_ALLOWED);

const urlPath = (what: string): z.ZodString => matching(/^\/\S*$/, `${what}, such as "/up"`);

const buildObject = object({
  command: argv.optional().describe('What builds the app, run in its folder. Left out: nothing is built, the output is taken as it is committed.'),
  output: text('a folder below the app').optional().meta({ description: "Folder below the app's path that is the artifact; `.` is the whole app.", default: D.build.output }),
  env: buildEnv.optional().describe('Variables of the build besides PATH, HOME and the like. They are part of the build\'s identity.'),
});
const build = z.union([argv, buildObject], { error: `${ARGV_ALLOWED}; or an object with command, output, env` }).meta({ id: 'Build', description: 'How the artifact is made. A command alone is short for `{ command }`.' });

const runObject = object({
  command: argv.optional().describe("What starts the app, run in its artifact's folder. It gets the port to listen on in `PORT`."),
  env: env.optional().describe('Variables of the running app.'),
  instances: whole(1, 'a whole number from 1').optional().meta({ description: 'How many run side by side.', default: D.run.instances }),
  listens: flag.optional().describe('Whether the app listens on `PORT`; workers do not. Default: true for an app with routes or a health path.'),
  drain: duration.optional().meta({ description: 'Time between being asked to end (SIGTERM) and being made to (SIGKILL).', default: D.run.drain }),
});
const run = z.union([argv, runObject], { error: `${ARGV_ALLOWED}; or an object with command, env, instances, listens, drain` }).meta({ id: 'Run', description: 'How a version runs. A command alone is short for `{ command }`.' });

const healthObject = object({
  path: urlPath('a path that answers 2xx when all is well').optional().meta({ description: 'Path that answers 2xx when the instance can take traffic.', default: D.health.path }),
  interval: positive.optional().meta({ description: 'Time between two looks.', default: D.health.interval }),
  timeout: positive.optional().meta({ description: 'Time one look may take.', default: D.health.timeout }),
});
const health = z.union([z.literal(false), urlPath('a path'), healthObject], { error: 'a path such as "/up", an object with path, interval, timeout, or false' }).meta({ id: 'Health', description: 'When an instance may take traffic. A path alone is short for `{ path }`; false: no check of its own, it is healthy when it runs (and accepts connections, if it listens).' });

const smokeObject = object({
  command: argv.optional().describe("Command run in the artifact's folder with `SLUICE_URL_UNDER_TEST` set; it passes with exit code 0."),
  paths: z.array(urlPath('a path'), { error: 'a list of paths' }).optional().describe('Paths of the new version that must answer 2xx or 3xx.'),
  timeout: positive.optional().meta({ description: 'Time the whole test may take.', default: D.smoke.timeout }),
});
const smoke = z.union([z.literal(false), urlPath('a path'), smokeObject], { error: 'a path such as "/", an object with command, paths, timeout, or false' }).meta({ id: 'Smoke', description: 'What must answer well before a version gets traffic. A path alone is short for `{ paths: [path] }`; false: nothing.' });

const routeObject = object({
  host: matching(/^[A-Za-z0-9.-]+$/, 'a host name without port, such as "shop.example.com"').optional().describe('Host name without port. Left out: any host.'),
  path: urlPath('a path prefix').optional().meta({ description: 'Path prefix; the longest one wins.', default: '/' }),
});
const ROUTE_ALLOWED = '"/path", "host.example.com" or "host.example.com/path", or an object with host, path';
const route = z.union([matching(ROUTE, ROUTE_ALLOWED).min(1, { error: ROUTE_ALLOWED }), routeObject], { error: ROUTE_ALLOWED }).meta({ id: 'Route', description: 'Requests that the edge sends to an app: `"/path"`, `"host.example.com"`, `"host.example.com/path"`, or an object. A host counts more than any host, a longer path more than a shorter one.' });
const routes = z.array(route, { error: 'a list of routes' });

const STEP_ALLOWED = 'a weight such as 5, or an object with weight, bake, pause';
const weight = z.number({ error: 'a percentage between 0 and 100, both excluded' }).gt(0, { error: 'a percentage greater than 0' }).lt(100, { error: 'a percentage less than 100 (100 comes by itself at the end)' });
const step = z.union(
  [
    weight,
    object({
      weight: weight.optional().describe('Percent of the traffic for the new version.'),
      bake: positive.optional().describe('Stay for this long while the analysis looks.'),
      pause: z.union([z.literal(true), positive], { error: `true (until promoted), or ${DURATION_ALLOWED}` }).optional().describe('Wait: for this long, or with true until a person promotes.'),
    }).refine((value) => Object.keys(value).length > 0, { error: STEP_ALLOWED }),
  ],
  { error: STEP_ALLOWED },
).meta({ id: 'Step', description: 'A weight alone, or an object whose parts happen in this order: weight, bake, pause.' });
const soak = duration.optional().meta({ description: 'How long the old version stays alive beside the promoted one.', default: D.soak });
const STRATEGIES = ['recreate', 'allAtOnce', 'blueGreen', 'canary'] as const;
const strategyName = oneOf(STRATEGIES);
const strategyObject = z.discriminatedUnion(
  'kind',
  [
    object({ kind: z.literal('recreate').describe('Stop the old version, then start the new one: for workers that must not run twice.') }),
    object({ kind: z.literal('allAtOnce').describe('New beside old, then all traffic at once.'), soak }),
    object({
      kind: z.literal('blueGreen').describe('All traffic at once, the old version kept alive while the analysis looks: switching back is instant.'),
      confirm: flag.optional().meta({ description: 'Wait for `promote` before the switch.', default: D.blueGreen.confirm }),
      bake: duration.optional().meta({ description: 'How long the analysis looks at 100 %.', default: D.blueGreen.bake }),
      soak,
    }),
    object({
      kind: z.literal('canary').describe('A share of the traffic first, more on evidence.'),
      steps: z.array(step, { error: 'a list of steps' }).min(1, { error: 'at least one step' }).optional().meta({ description: 'What happens before 100 %, in order; weights only grow.', default: D.steps }),
      soak,
    }),
  ],
  { error: STRATEGIES.map((value) => `"${value}"`).join(', ') },
);
const strategy = z
  .union([strategyName, strategyObject], { error: `${STRATEGIES.map((value) => `"${value}"`).join(', ')}, or an object { kind, … }` })
  .meta({ id: 'Strategy', description: 'How traffic gets from the old version to the new one. A name alone takes the defaults. The first deploy of an app skips the steps: there is nothing to compare with.' });

const CONDITION_ALLOWED = 'a comparison such as "< 1 %", "<= 300 ms" or "<= 110 % of baseline"';
const condition = z.union(
  [
    matching(CONDITION, CONDITION_ALLOWED),
    object({
      compare: oneOf(['<', '<=', '>', '>=']).describe('How to compare.'),
      value: z.number({ error: 'a number' }).describe('Share of errors (0.01 is 1 %), latency in ms, or a ratio.'),
      of: oneOf(['candidate', 'ratio']).optional().meta({ description: "The new version's value, or its ratio to the old one's.", default: 'candidate' }),
    }),
  ],
  { error: CONDITION_ALLOWED },
).meta({ id: 'Condition', description: 'A comparison: `"< 1 %"`, `"<= 300 ms"`, `"<= 110 % of baseline"` (the old version at the same time), or an object.' });
const LIMIT_ALLOWED = 'a whole number, or -1 for no limit';
const limit = whole(-1, LIMIT_ALLOWED);
const metric = object({
  name: text('a name').optional().describe('What it is called in verdicts. Default: its measure.'),
  measure: matching(MEASURE, '"errorRate", or a latency quantile such as "p95"').describe('What is measured: `errorRate` (share of 5xx and missing answers), or a latency quantile: `p50`, `p95`, `p99.9`.'),
  success: condition.optional().describe('Good when true. At least one of success and failure.'),
  failure: condition.optional().describe('Bad when true. With both, failure counts first, and neither is inconclusive.'),
  failureLimit: limit.optional().meta({ description: 'Bad measurements tolerated over the whole bake; -1: any number.', default: D.metric.failureLimit }),
  inconclusiveLimit: limit.optional().meta({ description: 'Inconclusive measurements tolerated; -1: any number.', default: D.metric.inconclusiveLimit }),
  consecutiveErrorLimit: limit.optional().meta({ description: 'Measurements in a row that could not be taken; -1: any number.', default: D.metric.consecutiveErrorLimit }),
  consecutiveSuccessLimit: whole(0, 'a whole number').optional().meta({ description: 'Good at once after this many in a row; 0: off.', default: D.metric.consecutiveSuccessLimit }),
  minRequests: whole(1, 'a whole number from 1').optional().meta({ description: 'Requests to the new version that one measurement needs; it waits until it has them.', default: D.metric.minRequests }),
  dryRun: flag.optional().meta({ description: 'Measure and show, but never count.', default: D.metric.dryRun }),
}).meta({ id: 'Metric', description: 'One thing that is measured, and what of it is good or bad.' });
const share = (allowed: string): z.ZodNumber => z.number({ error: allowed }).gt(0, { error: allowed }).lt(1, { error: allowed });
const SHARE_ALLOWED = 'a share between 0 and 1, both excluded: 0.01 is 1 %';
const margin = z.number({ error: 'a share from 0 to below 1' }).min(0, { error: 'a share from 0' }).lt(1, { error: 'a share below 1' });
const ratio = z.number({ error: 'a ratio from 1' }).min(1, { error: 'a ratio from 1' });
const errors = object({
  limit: share(SHARE_ALLOWED).optional().meta({ description: "Good only below this share of errors, whatever the old version's.", default: D.errors.limit }),
  strict: flag.optional().meta({ description: 'Bad above `limit` even where the old version is as bad.', default: D.errors.strict }),
  failRatio: ratio.optional().meta({ description: "Bad above the old version's share times this, plus `failMargin`.", default: D.errors.failRatio }),
  failMargin: margin.optional().meta({ description: 'See `failRatio`.', default: D.errors.failMargin }),
  passRatio: ratio.optional().meta({ description: "Good below the old version's share times this, plus `passMargin`.", default: D.errors.passRatio }),
  passMargin: margin.optional().meta({ description: 'See `passRatio`.', default: D.errors.passMargin }),
}).meta({ id: 'ErrorTests', description: 'What of its errors the sequential judge tests.' });
const latency = z.union(
  [
    z.literal(false),
    object({
      margin: share(SHARE_ALLOWED).optional().meta({ description: 'Slower than the old version by more than this share is bad.', default: D.latency.margin }),
      quantiles: z.array(share('a quantile between 0 and 1, such as 0.95'), { error: 'a list of quantiles' }).min(1, { error: 'at least one quantile' }).optional().meta({ description: 'Quantiles that must be shown to be within the margin.', default: D.latency.quantiles }),
    }),
  ],
  { error: 'an object with margin, quantiles, or false' },
).meta({ id: 'LatencyTests', description: 'What of its latency the sequential judge tests. False: nothing.' });
const JUDGES = ['sequential', 'threshold'] as const;
const analysisObject = object({
  judge: oneOf(JUDGES).optional().describe('Which judge looks. Default: threshold where `metrics` are given and for blueGreen, else sequential.'),
  interval: positive.optional().describe(`Time between two looks. Default: "${D.sequential.interval}" (sequential), "${D.threshold.interval}" (threshold).`),
  initialDelay: duration.optional().describe(`What happens in the first moments of a bake is not judged. Default: "${D.sequential.initialDelay}" (sequential), "${D.threshold.initialDelay}" (threshold).`),
  noData: oneOf(['inconclusive', 'fail']).optional().meta({ description: 'What no traffic at all means in the end. It is never success.', default: D.analysis.noData }),
  minRequests: whole(1, 'a whole number from 1').optional().meta({ description: 'Requests to the new version without which nothing passes.', default: D.analysis.minRequests }),
  errors: errors.optional().describe('Sequential: what of its errors is tested.'),
  latency: latency.optional().describe('Sequential: what of its latency is tested.'),
  alphaFail: share(SHARE_ALLOWED).optional().meta({ description: 'Sequential: chance of failing a version that is as good as the old one, over the whole bake.', default: D.sequential.alphaFail }),
  alphaPass: share(SHARE_ALLOWED).optional().meta({ description: 'Sequential: chance of passing a version that is worse than the margins allow.', default: D.sequential.alphaPass }),
  designEffect: ratio.optional().meta({ description: 'Sequential: how many requests tell as much as one where they come in clumps (retries, one user at a time).', default: D.sequential.designEffect }),
  metrics: z.array(metric, { error: 'a list of metrics' }).min(1, { error: 'at least one metric' }).optional().meta({ description: 'Threshold: what is measured and what is good.', default: D.metrics }),
});
const analysis = z.union([z.literal(false), oneOf(JUDGES), analysisObject], { error: 'an object with judge, interval, initialDelay, noData, minRequests, …, "sequential", "threshold", or false' }).meta({
  id: 'Analysis',
  description:
    'How a new version is judged while it bakes. `sequential` compares it with the old version request by request and may look as often as it likes without more false alarms; `threshold` takes measurements against fixed limits. A name alone takes the defaults; false: no judge looks, only health counts.',
});

const sticky = z.union([oneOf(['cookie', 'none']), object({ header: matching(/^[A-Za-z0-9-]+$/, 'the name of a request header').describe('Request header that names the user.') })], {
  error: '"cookie", "none", or { header: "name" }',
}).meta({ id: 'Sticky', description: 'How a user is recognised, so that they stay with the version they have: a cookie that the edge sets, a request header, or not at all.' });
const concurrency = oneOf(['queue', 'supersede', 'reject']).meta({ id: 'Concurrency', description: 'What a release does while another one has the app: wait (`queue`), end that one (`supersede`), or give up (`reject`).' });

/** Settings of an app that an environment may override. */
const settings = {
  platform: oneOf(['processes']).optional().meta({ description: 'Where the app runs.', default: D.platform }),
  build: build.optional().describe('How the artifact is made from the sources. Left out: the folder as it is committed.'),
  run: run.optional().describe('How a version is run.'),
  health: health.optional().describe('When an instance may take traffic. Left out or false: when it runs (and accepts connections).'),
  smoke: smoke.optional().describe('What must answer well before a version gets traffic.'),
  strategy: strategy.optional().meta({ description: 'How traffic gets from the old version to the new one.', default: D.strategy }),
  analysis: analysis.optional().describe('How the new version is judged while it bakes (canary, blueGreen). Default: errors under 1 %, latency within 10 % of the old version. False: only health counts.'),
  routes: routes.optional().describe('What requests the edge sends to the app. Left out: none; the app gets no traffic from outside.'),
  sticky: sticky.optional().describe("How a user is recognised, so that they stay with the version they have. Default: the environment's."),
  env: env.optional().describe('Variables of the running app; short for run.env.'),
  deadlines: object({
    build: positive.optional().meta({ description: 'The build.', default: D.deadlines.build }),
    healthy: positive.optional().meta({ description: 'From started to healthy.', default: D.deadlines.healthy }),
    smoke: positive.optional().meta({ description: 'The smoke test, with its repeats.', default: D.deadlines.smoke }),
    progress: positive.optional().meta({ description: 'Longest time without progress, not counted while paused or baking.', default: D.deadlines.progress }),
  }).meta({ id: 'AppDeadlines', description: 'How long each part of an app\'s rollout may take. What takes longer has failed.' }).optional().describe('How long each part may take. What takes longer has failed.'),
  concurrency: concurrency.optional().meta({ description: 'What a release does while another one has the app: wait (`queue`), end that one (`supersede`), or give up (`reject`).', default: D.concurrency }),
};

const appSchema = object({
  path: text(PATH_ALLOWED).describe("The app's folder in the workspace; `.` is all of it."),
  dependsOn: z.array(name, { error: 'a list of app names' }).optional().describe('Apps that must be fully out before this one starts. When they are built anew, so is this one.'),
  ...settings,
}).meta({ id: 'App', description: 'One deployable thing of the workspace.' });

const overridesSchema = object(settings).meta({ id: 'Overrides', description: 'Settings of an app that differ in one environment.' });

const environmentSchema = object({
  apps: z.record(name, overridesSchema, { error: 'an object of app names and what differs here' }).optional().describe('What differs for single apps here. Objects are merged key by key; lists, commands and strategies are replaced.'),
  strategy: strategy.optional().describe('Strategy for all apps here, except those with `recreate` and those with a strategy of their own below `apps`.'),
  env: env.optional().describe("Variables for all running apps here. An app's own variables count more."),
  uncommitted: oneOf(['include', 'ignore', 'refuse']).optional().describe('What uncommitted changes mean: build a snapshot of the working tree, build the last commit, or make no plan. Default: include in `development`, else ignore.'),
  concurrency: concurrency.optional().meta({ description: 'The concurrency of all apps here that say nothing themselves.', default: D.concurrency }),
  deadlines: object({
    queue: positive.optional().meta({ description: 'Longest wait behind another release.', default: D.releaseDeadlines.queue }),
    pause: positive.optional().meta({ description: 'Longest time a release may wait for a person.', default: D.releaseDeadlines.pause }),
    rollback: positive.optional().meta({ description: 'Time in which a rollback must be done; then somebody is called.', default: D.releaseDeadlines.rollback }),
  }).meta({ id: 'ReleaseDeadlines', description: 'How long a release may wait.' }).optional().describe('How long a release may wait.'),
  edge: object({
    kind: oneOf(['embedded', 'haproxy']).optional().meta({ description: 'What carries the traffic.', default: D.edge.kind }),
    port: whole(0, 'a port: 0 (any free one) to 65535').max(65_535, { error: 'a port: 0 (any free one) to 65535' }).optional().meta({ description: 'Port that users reach; 0 is any free one.', default: D.edge.port }),
    sticky: sticky.optional().meta({ description: 'How a user is recognised.', default: D.edge.sticky }),
  }).meta({ id: 'Edge', description: 'What carries the traffic of an environment.' }).optional().describe('What carries the traffic of this environment.'),
}).meta({ id: 'Environment', description: 'A place the apps are deployed to, and what differs there.' });

export const configSchema = object({
  $schema: z.string({ error: 'text' }).optional().describe('Address of the JSON Schema, for editors.'),
  workspace: name.describe('Name of the workspace.'),
  apps: z.record(name, appSchema, { error: 'an object of app names and their settings' }).describe('What is deployed, by name.'),
  environments: z
    .record(name, environmentSchema, { error: 'an object of environment names and their settings' })
    .optional()
    .describe('Where it is deployed, by name. Left out: development, staging and production, without differences.'),
});

export type Config = z.input<typeof configSchema>;
export type AppConfig = z.input<typeof appSchema>;
export type AppOverrides = Omit<AppConfig, 'path' | 'dependsOn'>;
export type EnvironmentConfig = z.input<typeof environmentSchema>;
export { appSchema, environmentSchema };
