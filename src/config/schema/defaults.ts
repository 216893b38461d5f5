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
  health: { path: '/up', interval: '1s', timeout: '5s', status: '2xx' },
  smoke: { timeout: '30s' },
  deadlines: { build: '10m', healthy: '30s', smoke: '1m', progress: '10m' },
  releaseDeadlines: { queue: '1h', pause: '24h', rollback: '5m' },
  edge: {
    kind: 'embedded',
    port: 8080,
    sticky: 'cookie',
    trustedProxies: [],
    pinFrom: ['127.0.0.0/8', '::1'],
    limits: { head: '32KiB', connectionsPerAddress: 1000, bodyRate: '100B' },
    timeouts: { head: '15s', idle: '75s', body: '60s', answer: '5m' },
  },
  soak: '30s',
  blueGreen: { confirm: false, bake: '5m' },
  /**
   * 5 % first and half an hour of looking, then on in two shorter stages, each long enough for the judge: of good versions at 50 requests
   * a second 97 of 100 pass each of these (in 5 minutes 69 and 83 would).
   */
  steps: [
    { weight: 5, bake: '30m' },
    { weight: 25, bake: '10m' },
    { weight: 50, bake: '10m' },
  ],
  /** `steps: "auto"`. */
  auto: { harm: 500, longest: '1h' },
  analysis: { noData: 'inconclusive', minRequests: 100, classes: true, routes: true },
  sequential: { interval: '5s', initialDelay: '1m', alphaFail: 0.01, alphaPass: 0.05, designEffect: 1 },
  errors: { failRatio: 1.1, failMargin: 0.001, passRatio: 1.1, passMargin: 0.005, limit: 0.01, strict: false },
  latency: { margin: 0.1, quantiles: [0.5, 0.95] },
  early: { minBake: '5m' },
  named: { during: 'step', dryRun: false },
  threshold: { interval: '1m', initialDelay: '0s' },
  /** Points close enough that the shortest usual bake (5 min) brings the 50 that Kayenta's own guide asks for. */
  kayenta: {
    interval: '5s',
    initialDelay: '0s',
    scores: { pass: 95, marginal: 75 },
    minPoints: 50,
    maxPoints: 240,
    /** Four against four can never be significant at Kayenta's 98 %; more than 500 only cost time. */
    leastPoints: 5,
    mostPoints: 500,
    metric: { direction: 'increase', group: 'all', critical: false, mustHaveData: false, outliers: 'keep', effectSize: 'meanRatio' },
    metrics: [{ measure: 'errorRate' }, { measure: 'p95' }],
  },
  metric: { failureLimit: 0, inconclusiveLimit: 0, consecutiveErrorLimit: 4, consecutiveSuccessLimit: 0, minRequests: 100, dryRun: false },
  /**
   * Errors under 1 %, latency within 10 % of what the old version shows at the same time. A thousand requests
   * a measurement and two bad ones tolerated: with fewer, chance alone would fail a good version too often.
   */
  metrics: [
    { measure: 'errorRate', success: '< 1 %', minRequests: 1000, failureLimit: 2 },
    { measure: 'p95', success: '<= 110 % of baseline', minRequests: 1000, failureLimit: 2 },
  ],
} as const;
