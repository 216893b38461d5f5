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

/** Where there is no Python, harbour goes on without `rates`. */
const python = process.env['HARBOUR_WITHOUT_PYTHON'] === undefined;

export default defineConfig({
  workspace: 'harbour',
  apps: {
    accounts: {
      path: 'accounts',
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
      run: ['node', 'server.js'],
      health: '/up',
      smoke: '/',
      routes: ['/'],
      dependsOn: python ? ['accounts', 'rates'] : ['accounts'],
      strategy: { kind: 'blueGreen', bake, soak: '1s' },
      analysis: { interval, minRequests: 20, metrics: [{ measure: 'errorRate', success: '< 1 %', minRequests: 20 }] },
    },
    settler: { path: 'settler', run: ['node', 'worker.js'], strategy: 'recreate' },
  },
  environments: {
    development: { strategy: 'allAtOnce' },
    staging: { ...environment('staging'), strategy: { kind: 'allAtOnce', soak: '500ms' } },
    production: environment('production'),
  },
});
