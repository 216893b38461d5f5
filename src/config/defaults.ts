/**
 * Values for everything left out, in the notation of the configuration. The one place they are said: the
 * checks, the JSON Schema and `docs/config.md` take them from here.
 */
export const DEFAULTS = {
  platform: 'processes',
  concurrency: 'queue',
  strategy: 'allAtOnce',
  build: { output: '.' },
  run: { instances: 1, drain: '30s' },
  health: { path: '/up', interval: '1s', timeout: '5s' },
  smoke: { timeout: '30s' },
  deadlines: { build: '10m', healthy: '30s', smoke: '1m', progress: '10m' },
  releaseDeadlines: { queue: '1h', pause: '24h', rollback: '5m' },
  edge: { kind: 'embedded', port: 8080, sticky: 'cookie' },
  soak: '30s',
  blueGreen: { confirm: false, bake: '5m' },
  /** 5 % first and half an hour of looking, then on in two shorter stages. */
  steps: [
    { weight: 5, bake: '30m' },
    { weight: 25, bake: '5m' },
    { weight: 50, bake: '5m' },
  ],
  analysis: { judge: 'threshold', interval: '1m', initialDelay: '0s', noData: 'inconclusive', minRequests: 100 },
  metric: { failureLimit: 0, inconclusiveLimit: 0, consecutiveErrorLimit: 4, consecutiveSuccessLimit: 0, minRequests: 100, dryRun: false },
  /** Errors under 1 %, latency within 10 % of what the old version shows at the same time. */
  metrics: [
    { measure: 'errorRate', success: '< 1 %' },
    { measure: 'p95', success: '<= 110 % of baseline' },
  ],
} as const;
