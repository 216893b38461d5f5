import { z } from 'zod';
import { checks, gates } from './checks.ts';
import { access, approval, branches, isolated, notify, promoteFrom, window } from './approvals.ts';
import { backups } from './backup.ts';
import { projections } from './projections.ts';
import { databaseOverrides, databases } from './data-migrations.ts';
import { DEFAULTS as D } from './defaults.ts';
import { edgeRuleSettings } from './edge.ts';
import { analyses, analysis, template } from './analysis.ts';
import { github } from './github.ts';
import { inputs } from './inputs.ts';
import {
  ARGV_ALLOWED,
  argv,
  buildEnv,
  duration,
  env,
  flag,
  matching,
  name,
  object,
  oneOf,
  PATH_ALLOWED,
  positive,
  text,
  urlPath,
  whole,
} from './parts.ts';
import { strategy } from './strategy.ts';
import { parseStatus, ROUTE, STATUS } from './values.ts';

/*
 * The one definition of the configuration: its checks, its types, `schema/sluice.schema.json` and
 * `docs/config.md` are all made from it. Each `error` text says what is allowed; `problems.ts` adds
 * where it is and what was found instead.
 */

const buildObject = object({
  command: argv
    .optional()
    .describe('What builds the app, run in its folder. Left out: nothing is built, the output is taken as it is committed.'),
  output: text('a folder below the app, or "/"').optional().meta({
    description:
      "Folder below the app's path that is the artifact; `.` is the whole app. `/`: the app is built and run at the root of the workspace, and all of that, as built, is the artifact; only the app's path and what it depends on make it change.",
    default: D.build.output,
  }),
  env: buildEnv.optional().describe("Variables of the build besides PATH, HOME and the like. They are part of the build's identity."),
});
const build = z
  .union([argv, buildObject], { error: `${ARGV_ALLOWED}; or an object with command, output, env` })
  .meta({ id: 'Build', description: 'How the artifact is made. A command alone is short for `{ command }`.' });

const runObject = object({
  command: argv.optional().describe("What starts the app, run in its artifact's folder. It gets the port to listen on in `PORT`."),
  env: env.optional().describe('Variables of the running app.'),
  instances: whole(1, 'a whole number from 1').optional().meta({ description: 'How many run side by side.', default: D.run.instances }),
  listens: flag
    .optional()
    .describe('Whether the app listens on `PORT`; workers do not. Default: true for an app with routes or a health path.'),
  drain: duration
    .optional()
    .meta({ description: 'Time between being asked to end (SIGTERM) and being made to (SIGKILL).', default: D.run.drain }),
});
const run = z
  .union([argv, runObject], { error: `${ARGV_ALLOWED}; or an object with command, env, instances, listens, drain` })
  .meta({ id: 'Run', description: 'How a version runs. A command alone is short for `{ command }`.' });

const hostHeader = matching(/^[A-Za-z0-9._-]+(?::\d{1,5})?$/, 'a host name, with or without a port, such as "shop.example.com"');
const STATUS_ALLOWED = 'a status such as 204, a class such as "2xx", or a range such as "200-399"';
const status = z.union(
  [
    z.int({ error: STATUS_ALLOWED }).min(100, { error: STATUS_ALLOWED }).max(599, { error: STATUS_ALLOWED }),
    matching(STATUS, STATUS_ALLOWED).refine((text) => parseStatus(text) !== null, { error: STATUS_ALLOWED }),
  ],
  { error: STATUS_ALLOWED },
);

const healthObject = object({
  path: urlPath('a path that answers 2xx when all is well')
    .optional()
    .meta({ description: 'Path that answers 2xx when the instance can take traffic.', default: D.health.path }),
  interval: positive.optional().meta({ description: 'Time between two looks.', default: D.health.interval }),
  timeout: positive.optional().meta({ description: 'Time one look may take.', default: D.health.timeout }),
  host: hostHeader
    .optional()
    .describe('Host header of a look, for apps that answer only to their own names (Django, Rails). Left out: `127.0.0.1:PORT`.'),
  status: z
    .union([status, z.array(status, { error: `a list of ${STATUS_ALLOWED}` }).min(1, { error: 'at least one status' })], {
      error: `${STATUS_ALLOWED}, or a list of these`,
    })
    .optional()
    .meta({
      description: 'Statuses that say healthy: `204`, `"2xx"`, `"200-399"`, or a list. Redirects are not followed.',
      default: D.health.status,
    }),
});
const health = z
  .union([z.literal(false), urlPath('a path'), healthObject], {
    error: 'a path such as "/up", an object with path, host, status, interval, timeout, or false',
  })
  .meta({
    id: 'Health',
    description:
      'When an instance may take traffic. A path alone is short for `{ path }`; false: no check of its own, an instance is healthy when it runs and, if it listens, accepts connections at its `PORT` (and answers HTTP, if the app has routes).',
  });

const smokeObject = object({
  command: argv.optional().describe("Command run in the artifact's folder with `SLUICE_URL_UNDER_TEST` set; it passes with exit code 0."),
  paths: z
    .array(urlPath('a path'), { error: 'a list of paths' })
    .optional()
    .describe('Paths of the new version that must answer 2xx or 3xx.'),
  host: hostHeader.optional().describe('Host header of these requests. Left out: that of `health`.'),
  timeout: positive.optional().meta({ description: 'Time the whole test may take.', default: D.smoke.timeout }),
});
const smoke = z
  .union([z.literal(false), urlPath('a path'), smokeObject], {
    error: 'a path such as "/", an object with command, paths, host, timeout, or false',
  })
  .meta({
    id: 'Smoke',
    description: 'What must answer well before a version gets traffic. A path alone is short for `{ paths: [path] }`; false: nothing.',
  });

const routeObject = object({
  host: matching(/^[A-Za-z0-9.-]+$/, 'a host name without port, such as "shop.example.com"')
    .optional()
    .describe('Host name without port. Left out: any host.'),
  path: urlPath('a path prefix').optional().meta({ description: 'Path prefix; the longest one wins.', default: '/' }),
});
const ROUTE_ALLOWED = '"/path", "host.example.com" or "host.example.com/path", or an object with host, path';
const route = z.union([matching(ROUTE, ROUTE_ALLOWED).min(1, { error: ROUTE_ALLOWED }), routeObject], { error: ROUTE_ALLOWED }).meta({
  id: 'Route',
  description:
    'Requests that the edge sends to an app: `"/path"`, `"host.example.com"`, `"host.example.com/path"`, or an object. A host counts more than any host, a longer path more than a shorter one.',
});
const routes = z.array(route, { error: 'a list of routes' });

const sticky = z
  .union(
    [
      oneOf(['cookie', 'none']),
      object({ header: matching(/^[A-Za-z0-9-]+$/, 'the name of a request header').describe('Request header that names the user.') }),
    ],
    {
      error: '"cookie", "none", or { header: "name" }',
    },
  )
  .meta({
    id: 'Sticky',
    description:
      'How a user is recognised, so that they stay with the version they have: a cookie that the edge sets, a request header, or not at all.',
  });
const concurrency = oneOf(['queue', 'supersede', 'reject']).meta({
  id: 'Concurrency',
  description: 'What a release does while another one has the app: wait (`queue`), end that one (`supersede`), or give up (`reject`).',
});

/** Settings of an app that an environment may override. */
const settings = {
  platform: oneOf(['processes']).optional().meta({ description: 'Where the app runs.', default: D.platform }),
  build: build.optional().describe('How the artifact is made from the sources. Left out: the folder as it is committed.'),
  run: run.optional().describe('How a version is run.'),
  health: health
    .optional()
    .describe(
      'When an instance may take traffic. Left out or false: when it runs and accepts connections at its `PORT` (and answers HTTP, with routes).',
    ),
  smoke: smoke.optional().describe('What must answer well before a version gets traffic.'),
  strategy: strategy.optional().meta({ description: 'How traffic gets from the old version to the new one.', default: D.strategy }),
  analysis: analysis
    .optional()
    .describe(
      'How the new version is judged while it bakes (canary, blueGreen). Default: errors under 1 %, latency within 10 % of the old version. False: only health counts.',
    ),
  analyses: analyses
    .optional()
    .describe('Further analyses beside `analysis`: of another source, at another time, or without consequences.'),
  routes: routes.optional().describe('What requests the edge sends to the app. Left out: none; the app gets no traffic from outside.'),
  sticky: sticky.optional().describe("How a user is recognised, so that they stay with the version they have. Default: the environment's."),
  env: env.optional().describe('Variables of the running app; short for run.env.'),
  deadlines: object({
    build: positive.optional().meta({ description: 'The build.', default: D.deadlines.build }),
    healthy: positive.optional().meta({ description: 'From started to healthy.', default: D.deadlines.healthy }),
    smoke: positive.optional().meta({ description: 'The smoke test, with its repeats.', default: D.deadlines.smoke }),
    progress: positive
      .optional()
      .meta({ description: 'Longest time without progress, not counted while paused or baking.', default: D.deadlines.progress }),
  })
    .meta({ id: 'AppDeadlines', description: "How long each part of an app's rollout may take. What takes longer has failed." })
    .optional()
    .describe('How long each part may take. What takes longer has failed.'),
  concurrency: concurrency.optional().meta({
    description: 'What a release does while another one has the app: wait (`queue`), end that one (`supersede`), or give up (`reject`).',
    default: D.concurrency,
  }),
};

const appSchema = object({
  path: text(PATH_ALLOWED).describe("The app's folder in the workspace; `.` is all of it."),
  dependsOn: z
    .array(name, { error: 'a list of app names' })
    .optional()
    .describe('Apps that must be fully out before this one starts. When they are built anew, so is this one.'),
  inputs: inputs
    .optional()
    .describe('Files, folders and patterns elsewhere in the workspace that the app is made from. When they change, it is built anew.'),
  checks: checks.optional().describe('What is looked at before a release, by name: tests, linters, scans. Run by `sluice check`.'),
  gates: gates.optional().describe('What must hold of what the checks found.'),
  ...settings,
}).meta({ id: 'App', description: 'One deployable thing of the workspace.' });

const overridesSchema = object(settings).meta({ id: 'Overrides', description: 'Settings of an app that differ in one environment.' });

const environmentSchema = object({
  apps: z
    .record(name, overridesSchema, { error: 'an object of app names and what differs here' })
    .optional()
    .describe('What differs for single apps here. Objects are merged key by key; lists, commands and strategies are replaced.'),
  strategy: strategy
    .optional()
    .describe('Strategy for all apps here, except those with `recreate` and those with a strategy of their own below `apps`.'),
  analysis: analysis.optional().describe('How new versions are judged here, unless the app says otherwise.'),
  env: env.optional().describe("Variables for all running apps here. An app's own variables count more."),
  uncommitted: oneOf(['include', 'ignore', 'refuse'])
    .optional()
    .describe(
      'What uncommitted changes mean: build a snapshot of the working tree, build the last commit, or make no plan. Default: include in `development`, else ignore.',
    ),
  concurrency: concurrency
    .optional()
    .meta({ description: 'The concurrency of all apps here that say nothing themselves.', default: D.concurrency }),
  deadlines: object({
    queue: positive.optional().meta({ description: 'Longest wait behind another release.', default: D.releaseDeadlines.queue }),
    pause: positive.optional().meta({ description: 'Longest time a release may wait for a person.', default: D.releaseDeadlines.pause }),
    rollback: positive
      .optional()
      .meta({ description: 'Time in which a rollback must be done; then somebody is called.', default: D.releaseDeadlines.rollback }),
  })
    .meta({ id: 'ReleaseDeadlines', description: 'How long a release may wait.' })
    .optional()
    .describe('How long a release may wait.'),
  edge: object({
    kind: oneOf(['embedded', 'haproxy']).optional().meta({ description: 'What carries the traffic.', default: D.edge.kind }),
    port: whole(0, 'a port: 0 (any free one) to 65535')
      .max(65_535, { error: 'a port: 0 (any free one) to 65535' })
      .optional()
      .meta({ description: 'Port that users reach; 0 is any free one.', default: D.edge.port }),
    sticky: sticky.optional().meta({ description: 'How a user is recognised.', default: D.edge.sticky }),
    ...edgeRuleSettings,
  })
    .meta({ id: 'Edge', description: 'What carries the traffic of an environment.' })
    .optional()
    .describe('What carries the traffic of this environment.'),
  databases: databaseOverrides.optional().describe('What differs for single databases here, above all their addresses.'),
  approval: approval.optional().describe('Who has to agree before a release starts. Left out: nobody.'),
  window: window.optional().describe('When releases may start. Left out: always.'),
  branches: branches.optional().describe('Branches that may be deployed here, such as `"main"` or `"release/*"`. Left out: any.'),
  promoteFrom: promoteFrom
    .optional()
    .describe(
      'Environments whose versions may be promoted here. Left out: with `branches`, those that take no other branches; otherwise any.',
    ),
  isolated: isolated
    .optional()
    .describe('No other environment may use a secret name or an address of data that the apps here use. Default: false.'),
}).meta({ id: 'Environment', description: 'A place the apps are deployed to, and what differs there.' });

export const configSchema = object({
  $schema: z.string({ error: 'text' }).optional().describe('Address of the JSON Schema, for editors.'),
  workspace: name.describe('Name of the workspace.'),
  inputs: inputs.optional().describe('Files, folders and patterns that every app is made from, besides what is found in manifests.'),
  apps: z.record(name, appSchema, { error: 'an object of app names and their settings' }).describe('What is deployed, by name.'),
  environments: z
    .record(name, environmentSchema, { error: 'an object of environment names and their settings' })
    .optional()
    .describe('Where it is deployed, by name. Left out: development, staging and production, without differences.'),
  templates: z
    .record(name, template, { error: 'an object of template names and analyses' })
    .optional()
    .describe('Analyses that apps may refer to by name, with arguments.'),
  backups: backups.optional().describe('What is backed up, by name.'),
  databases: databases.optional().describe('PostgreSQL databases whose schema moves with the code, by name.'),
  projections: projections.optional().describe('Read models that are made from events, by name of where the events are.'),
  access: access.optional().describe('Who is who, for approvals.'),
  github: github.optional().describe('The repository at GitHub: where releases are shown, and where deliveries come from.'),
  notify: notify.optional().describe('Who is told when a person is needed: approvals, rollbacks that failed or were refused.'),
});

export type Config = z.input<typeof configSchema>;
export type AppConfig = z.input<typeof appSchema>;
export type AppOverrides = Omit<AppConfig, 'path' | 'dependsOn' | 'inputs' | 'checks' | 'gates'>;
export type EnvironmentConfig = z.input<typeof environmentSchema>;
