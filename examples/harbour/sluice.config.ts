import { join } from 'node:path';
import { defineConfig } from 'sluice';

/** Longer in real life; the demo and the tests make a bake last seconds. */
const bake = process.env['HARBOUR_BAKE'] ?? '30m';
const interval = process.env['HARBOUR_INTERVAL'] ?? '10s';
const data = process.env['HARBOUR_DATA'] ?? join(import.meta.dirname, '.sluice', 'data');
const ports = {
  staging: Number(process.env['HARBOUR_STAGING_PORT'] ?? 4180),
  production: Number(process.env['HARBOUR_PRODUCTION_PORT'] ?? 4190),
};

/** With a database, accounts keeps its events there, and each environment has one of its own. */
const databases = {
  development: 'HARBOUR_DEVELOPMENT_DATABASE_URL',
  staging: 'HARBOUR_STAGING_DATABASE_URL',
  production: 'HARBOUR_DATABASE_URL',
};
const hasDatabase = process.env['HARBOUR_DATABASE_URL'] !== undefined;
const database = (name: keyof typeof databases) =>
  hasDatabase ? { databases: { accounts: { direct: { fromEnv: databases[name] }, pooled: false as const } } } : {};

const environment = (name: 'staging' | 'production') => ({
  ...database(name),
  env: {
    HARBOUR_DATA: join(data, name),
    HARBOUR_EDGE_URL: `http://127.0.0.1:${ports[name]}`,
    ...(hasDatabase ? { HARBOUR_DATABASE_URL: { fromEnv: databases[name] } } : {}),
  },
  edge: { kind: process.env['HARBOUR_EDGE'] === 'haproxy' ? ('haproxy' as const) : ('embedded' as const), port: ports[name] },
});

const analysis = {
  interval,
  minRequests: 20,
  metrics: [
    { measure: 'errorRate', success: '< 1 %', minRequests: 20 },
    { measure: 'p95', success: '<= 400 ms', failureLimit: 0, minRequests: 20 },
  ],
};
const canary = {
  kind: 'canary' as const,
  steps: [
    { weight: 5, bake },
    { weight: 25, bake },
    { weight: 50, bake },
  ],
  soak: '1s',
};

/** Tests by their report, and no copied code. `testing` is what runs an app in them. */
const tested = {
  checks: {
    test: {
      command: ['node', '--test', '--test-reporter=junit', '--test-reporter-destination={reports}/junit.xml', 'test/'],
      inputs: ['testing'],
      timeout: '5m',
      reports: [{ format: 'junit' as const, path: '{reports}/junit.xml' }],
    },
  },
};
/** The demo leaves them out: it is about what happens to users, and short of time. */
const checked = process.env['HARBOUR_WITHOUT_CHECKS'] === undefined ? tested : {};
const checkedPython =
  process.env['HARBOUR_WITHOUT_CHECKS'] === undefined
    ? { checks: { test: { command: ['python3', '-m', 'unittest'], timeout: '5m' } } }
    : {};

/** Where there is no Python, harbour goes on without `rates`. */
const python = process.env['HARBOUR_WITHOUT_PYTHON'] === undefined;

export default defineConfig({
  workspace: 'harbour',
  apps: {
    accounts: {
      path: 'accounts',
      ...checked,
      ...(hasDatabase && process.env['HARBOUR_WITHOUT_INSTALL'] === undefined
        ? { build: ['npm', 'install', '--omit=dev', '--no-audit', '--no-fund'] }
        : {}),
      run: ['node', 'server.js'],
      health: '/up',
      smoke: '/accounts',
      routes: ['/accounts'],
      analysis,
      strategy: canary,
    },
    ...(python
      ? {
          rates: {
            path: 'rates',
            ...checkedPython,
            run: ['python3', 'server.py'],
            health: '/up',
            smoke: '/rates',
            routes: ['/rates'],
            analysis,
            strategy: canary,
          },
        }
      : {}),
    storefront: {
      path: 'storefront',
      ...checked,
      run: ['node', 'server.js'],
      health: '/up',
      smoke: '/',
      routes: ['/'],
      dependsOn: python ? ['accounts', 'rates'] : ['accounts'],
      strategy: { kind: 'blueGreen', bake, soak: '1s' },
      analysis: { interval, minRequests: 20, metrics: [{ measure: 'errorRate', success: '< 1 %', minRequests: 20 }] },
    },
    settler: { path: 'settler', ...checked, run: ['node', 'worker.js'], strategy: 'recreate' },
  },
  ...(hasDatabase
    ? {
        databases: {
          accounts: {
            apps: ['accounts'],
            migrations: { path: 'accounts/migrations' },
            appendOnly: ['account_event'],
            rollbackWindow: process.env['HARBOUR_ROLLBACK_WINDOW'] ?? '7d',
          },
        },
        projections: {
          accounts: {
            database: 'accounts',
            modules: ['accounts/projections/statement.js'],
            events: { table: 'account_event', type: null, schema: null },
          },
        },
      }
    : {}),
  ...(process.env['HARBOUR_PAGER'] === undefined
    ? {}
    : { notify: [{ webhook: { fromEnv: 'HARBOUR_PAGER' }, on: ['rollbackFailed' as const, 'rollbackRefused' as const] }] }),
  environments: {
    development: { ...database('development'), strategy: 'allAtOnce' },
    staging: { ...environment('staging'), strategy: { kind: 'allAtOnce', soak: '500ms' } },
    production: environment('production'),
  },
});
