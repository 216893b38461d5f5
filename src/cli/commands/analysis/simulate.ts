import { Option } from 'commander';
import { policyInFile } from '../../../config/load/template-file.ts';
import { DEFAULTS } from '../../../config/schema/defaults.ts';
import { parseDuration } from '../../../config/schema/values.ts';
import { forecast, type Forecast } from '../../../core/analysis/forecast.ts';
import type { PlayedBake } from '../../../core/analysis/play.ts';
import { forecastBake } from '../../../core/analysis/sequential/planner.ts';
import { UserError } from '../../../core/errors.ts';
import { EXIT } from '../../session/exit.ts';
import { command, numberOf } from '../../session/session.ts';
import { expectedText } from '../../view/analysis.ts';
import { duration } from '../../view/words.ts';

interface SimulateOptions {
  readonly template?: string;
  readonly bakes?: string;
  readonly rate?: string;
  readonly weight?: string;
  readonly bake?: string;
  readonly errors?: string;
  readonly noise?: string;
  readonly clumps?: string;
  readonly cold?: string;
  readonly coldFor?: string;
  readonly worse?: string;
  readonly slower?: string;
  readonly refused?: string;
  readonly broken?: string;
  readonly onset?: string;
  readonly runs?: string;
  readonly seed?: string;
}

/** Answers 4xx of either version, a share. */
const USUAL_REFUSED = 0.02;
const STEPS = DEFAULTS.steps.map(({ weight, bake }) => `${weight}:${bake}`).join(',');

export const simulate = command<SimulateOptions>({
  help: [
    'Plays the rollout as it is installed: all of its bakes, looked at as often as the policy says, with evidence carried on. The same seed gives the same answer.',
    '$ sluice analysis simulate --rate 200 --worse 1 --slower 1.3',
    '$ sluice analysis simulate --rate 500 --broken 0.3 --onset 15m',
    '$ sluice analysis simulate --bakes 10:5m,50:5m --noise 10 --clumps 8 --cold 3',
  ].join('\n\n  '),
  options: [
    new Option('--template <file>', 'the policy to try (otherwise the defaults)'),
    new Option('--bakes <list>', `share of the new version and length of each bake (${STEPS})`),
    new Option('--rate <number>', 'requests a second, of both versions together (100)'),
    new Option('--weight <percent>', 'one bake alone, with this share'),
    new Option('--bake <duration>', 'one bake alone, this long'),
    new Option('--errors <percent>', 'errors of the old version (0.1)'),
    new Option('--noise <percent>', 'by how much latency differs between the versions by itself (0)'),
    new Option('--clumps <number>', 'requests in a row that one fault takes down (1)'),
    new Option('--cold <factor>', 'how many times slower any new version is as it starts (1)'),
    new Option('--cold-for <duration>', 'how long it takes to warm up (50s)'),
    new Option('--worse <percent>', 'errors of the bad version (1, unless something else is bad)'),
    new Option('--slower <factor>', 'how many times slower the bad version is (1)'),
    new Option('--refused <percent>', 'answers 4xx of the bad version (2, as of the old one)'),
    new Option('--broken <percent>', 'share of the requests to an endpoint that always fails in the bad version (none)'),
    new Option('--onset <duration>', 'how long it has been well before that (0s)'),
    new Option('--runs <number>', 'how many rollouts (50)'),
    new Option('--seed <number>', 'where chance begins (1)'),
  ],
  async run(_session, { options }) {
    const policy = await policyInFile(options.template ?? null);
    const bakes = bakesOf(options);
    const { traffic, start, regression } = scenarioOf(options);
    const runs = Math.max(1, numberOf('--runs', options.runs, 50));
    const seed = numberOf('--seed', options.seed, 1);
    const good = forecast(policy, bakes, { name: 'good', ...traffic, candidate: start }, runs, seed);
    const bad = forecast(policy, bakes, { name: 'bad', ...traffic, candidate: { ...start, ...regression } }, runs, seed);
    const [first] = bakes;
    const expected =
      policy.judge === 'sequential' && first !== undefined
        ? forecastBake(policy, traffic.errorRate, traffic.requestsPerSecond, first.share, first.seconds * 1000)
        : null;
    const text = [
      bakes.map(({ share, seconds }) => `${Number((100 * share).toPrecision(3))} % for ${duration(seconds * 1000)}`).join(', then '),
      ...(expected === null ? [] : [`First bake: ${expectedText(expected, traffic.requestsPerSecond * (first?.share ?? 0))}`]),
      `A good version: ${good.passed} of ${runs} pass, ${good.failed} fail, ${good.inconclusive} stay open.`,
      `The bad one: ${bad.failed} of ${runs} fail${foundText(bad)}; ${bad.passed} pass, ${bad.inconclusive} stay open.`,
    ];
    return { exit: EXIT.ok, data: { bakes, traffic, start, regression, seed, expected, good, bad }, text: text.join('\n') };
  },
});

function foundText({ failedAfterMs, failedAfterRequests, failedIn }: Forecast): string {
  if (failedAfterMs === null || failedAfterRequests === null) return '';
  const where = failedIn.length === 1 ? '' : ` (by bake: ${failedIn.join(', ')})`;
  return `${where}, after ${duration(failedAfterMs.median)} (median), ${duration(failedAfterMs.p95)} (p95) of being bad and ${failedAfterRequests.median} (median), ${failedAfterRequests.p95} (p95) of its requests`;
}

function scenarioOf(options: SimulateOptions) {
  const broken = options.broken === undefined ? null : positive('--broken', options.broken, 0.3) / 100;
  const isOtherwiseBad = options.slower !== undefined || options.refused !== undefined || broken !== null;
  const traffic = {
    requestsPerSecond: positive('--rate', options.rate, 100),
    errorRate: positive('--errors', options.errors, 0.1) / 100,
    refusedRate: USUAL_REFUSED,
    ...(options.noise === undefined ? {} : { armNoise: positive('--noise', options.noise, 10) / 100 }),
    ...(options.clumps === undefined ? {} : { errorClump: positive('--clumps', options.clumps, 8) }),
    ...(broken === null ? {} : { endpointShare: broken }),
  };
  const coldSeconds = secondsOf('--cold-for', options.coldFor ?? '50s');
  const start = options.cold === undefined ? {} : { coldFactor: positive('--cold', options.cold, 3), coldSeconds };
  const regression = {
    ...(options.onset === undefined ? {} : { from: secondsOf('--onset', options.onset) }),
    ...(options.worse === undefined && isOtherwiseBad ? {} : { errorRate: positive('--worse', options.worse, 1) / 100 }),
    ...(options.slower === undefined ? {} : { latencyFactor: positive('--slower', options.slower, 1.3) }),
    ...(options.refused === undefined ? {} : { refusedRate: positive('--refused', options.refused, 30) / 100 }),
    ...(broken === null ? {} : { isEndpointBroken: true }),
  };
  return { traffic, start, regression };
}

/** @throws UserError `USAGE` */
function bakesOf({ bakes, weight, bake }: SimulateOptions): readonly PlayedBake[] {
  if (bakes !== undefined && (weight !== undefined || bake !== undefined))
    throw new UserError('USAGE', '--bakes says what --weight and --bake say of one bake', `For example --bakes ${STEPS}.`);
  if (weight !== undefined || bake !== undefined)
    return [{ share: shareOf('--weight', weight ?? '5'), seconds: secondsOf('--bake', bake ?? '30m') }];
  return (bakes ?? STEPS).split(',').map((one) => {
    const [share = '', length = ''] = one.split(':');
    return { share: shareOf('--bakes', share.trim()), seconds: secondsOf('--bakes', length.trim()) };
  });
}

/** @throws UserError `USAGE` */
function shareOf(option: string, value: string): number {
  const percent = Number(value);
  if (percent > 0 && percent < 100) return percent / 100;
  throw new UserError('USAGE', `${option}: ${value} is not a percentage between 0 and 100`, `For example --bakes ${STEPS}.`);
}

/** @throws UserError `USAGE` */
function secondsOf(option: string, value: string): number {
  const ms = parseDuration(value);
  if (ms !== null && ms >= 1000) return Math.round(ms / 1000);
  throw new UserError('USAGE', `${option}: ${value} is not a duration of a second or more`, 'For example 90s, 10m or 1h.');
}

/** @throws UserError `USAGE` */
function positive(option: string, value: string | undefined, fallback: number): number {
  const number = value === undefined ? fallback : Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UserError('USAGE', `${option} ${value} is not a number above 0`, `For example ${option} ${fallback}.`);
}
