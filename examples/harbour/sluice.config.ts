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

const environment = (name: 'staging' | 'production') => ({
  env: {
    HARBOUR_DATA: join(data, name),
    HARBOUR_EDGE_URL: `http://127.0.0.1:${ports[name]}`,
    ...(process.env['HARBOUR_DATABASE_URL'] === undefined ? {} : { HARBOUR_DATABASE_URL: { fromEnv: 'HARBOUR_DATABASE_URL' } }),
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
      ...(process.env['HARBOUR_DATABASE_URL'] === undefined ? {} : { build: ['npm', 'install', '--omit=dev', '--no-audit', '--no-fund'] }),
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
  environments: {
    development: { strategy: 'allAtOnce' },
    staging: { ...environment('staging'), strategy: { kind: 'allAtOnce', soak: '500ms' } },
    production: environment('production'),
  },
});
