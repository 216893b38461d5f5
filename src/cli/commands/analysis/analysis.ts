import { Option } from 'commander';
import { policyInFile } from '../../../config/load/template-file.ts';
import { forecast } from '../../../core/analysis/forecast.ts';
import { replayOf, tryPolicy } from '../../../core/analysis/replay.ts';
import { forecastBake } from '../../../core/analysis/sequential/planner.ts';
import { UserError } from '../../../core/errors.ts';
import type { ReleaseRow } from '../../../engine/face.ts';
import { metricsTokenOf } from '../../../server/auth/tokens.ts';
import { OTLP_PATH } from '../../../server/routes/otlp.ts';
import { byBake, estimates, eventsOf, expectedText, replayed, sparkline, streamRows, towards } from '../../view/analysis.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { command, numberOf, timeoutOf } from '../../session/session.ts';
import { duration, table } from '../../view/words.ts';

export const show = command<object>({
  help: 'Bars grow towards a proof: that the new version is worse, and that it is well.\n\n  $ sluice analysis show r-42',
  options: [],
  async run(session, { args: [release = ''] }) {
    const { looks, verdicts } = await replayed(await session.client(), release);
    const lines = [...byBake(looks)].flatMap(([title, group]) => {
      const last = group.at(-1)?.verdict;
      const rows = (last?.metrics ?? []).map((metric, i) => {
        const evidence = group.flatMap(({ verdict }) => verdict.metrics[i]?.evidence ?? []);
        if (evidence.length === 0) return ['', metric.name, metric.phase, metric.reason];
        const bad = sparkline(evidence.map((one) => towards(one.worse, one.worseNeeded)));
        const good = sparkline(evidence.map((one) => towards(one.good, one.goodNeeded)));
        return [
          '',
          metric.name,
          metric.phase,
          `worse ${bad}  well ${good}`,
          metric.evidence === undefined ? '' : estimates(metric.name, metric.evidence),
        ];
      });
      return [
        `${title}: ${group.length} looks, ${last?.candidateRequests ?? 0} requests: ${last?.reason ?? ''}`,
        ...table(rows),
        ...table(streamRows(last?.streams ?? [])),
      ];
    });
    const decided = verdicts.map(
      ({ app, analysis, phase, reason }) => `${app}${analysis === null ? '' : ` (${analysis})`}: ${phase}: ${reason}`,
    );
    return { exit: EXIT.ok, data: { release, looks, verdicts }, text: [...lines, ...decided].join('\n') };
  },
});

export const replay = command<object>({
  help: 'Exit code 1 when one is not.\n\n  $ sluice analysis replay r-42',
  options: [],
  async run(session, { args: [release = ''] }) {
    const { verdicts } = await replayed(await session.client(), release);
    const differ = verdicts.filter(({ matches }) => !matches).length;
    const rows = verdicts.map(({ app, analysis, phase, reason, matches }) => [
      matches ? 'same' : 'DIFFERS',
      app,
      analysis ?? '',
      phase,
      reason,
    ]);
    const said =
      verdicts.length === 0 ? 'No verdict was recorded.' : `${verdicts.length - differ} of ${verdicts.length} verdicts are the same.`;
    return { exit: differ === 0 ? EXIT.ok : EXIT.error, data: { release, verdicts, differ }, text: [...table(rows), said].join('\n') };
  },
});

interface BacktestOptions {
  readonly template?: string;
  readonly last?: string;
  readonly env?: string;
}

export const backtest = command<BacktestOptions>({
  help: 'FILE is YAML or JSON with what `analysis` takes in the configuration.\n\n  $ sluice analysis backtest --template strict.yaml --last 50',
  options: [
    new Option('--template <file>', 'the policy to try (otherwise the defaults)'),
    new Option('--last <number>', 'how many releases (50)'),
    environmentOption(),
  ],
  async run(session, { options }) {
    const policy = await policyInFile(options.template ?? null);
    const client = await session.client();
    const { releases } = await client.get<{ releases: ReleaseRow[] }>('/v1/history', {
      environment: options.env,
      limit: numberOf('--last', options.last, 50),
    });
    const events = await eventsOf(client, new Set(releases.map(({ id }) => id)));
    const tried = releases.flatMap(({ id, outcome }) =>
      replayOf(events.get(id) ?? []).bakes.map((bake) => ({ release: id, outcome, ...tryPolicy(policy, bake) })),
    );
    const rows = tried.map((one) => [
      one.release,
      one.app,
      `step ${one.step + 1}`,
      `was ${one.outcome ?? 'open'}`,
      `would be ${one.phase}`,
      `after ${duration(one.afterMs)}`,
      `${one.badRequests} bad`,
      one.reason,
    ]);
    return { exit: EXIT.ok, data: { tried }, text: rows.length === 0 ? 'No past release has baked.' : table(rows).join('\n') };
  },
});

interface SimulateOptions {
  readonly template?: string;
  readonly rate?: string;
  readonly weight?: string;
  readonly errors?: string;
  readonly worse?: string;
  readonly slower?: string;
  readonly bake?: string;
  readonly runs?: string;
  readonly seed?: string;
}

export const simulate = command<SimulateOptions>({
  help: 'The same seed gives the same answer.\n\n  $ sluice analysis simulate --rate 200 --weight 5 --worse 1 --slower 1.3',
  options: [
    new Option('--template <file>', 'the policy to try (otherwise the defaults)'),
    new Option('--rate <number>', 'requests a second, of both versions together (100)'),
    new Option('--weight <percent>', 'share of the new version (5)'),
    new Option('--errors <percent>', 'errors of the old version (0.1)'),
    new Option('--worse <percent>', 'errors of the bad version (1)'),
    new Option('--slower <factor>', 'how many times slower the bad version is (1)'),
    new Option('--bake <duration>', 'length of the bake (30m)'),
    new Option('--runs <number>', 'how many bakes (50)'),
    new Option('--seed <number>', 'where chance begins (1)'),
  ],
  async run(_session, { options }) {
    const policy = await policyInFile(options.template ?? null);
    const errorRate = positive('--errors', options.errors, 0.1) / 100;
    const traffic = {
      requestsPerSecond: positive('--rate', options.rate, 100),
      share: positive('--weight', options.weight, 5) / 100,
      seconds: Math.round((timeoutOf(options.bake) ?? 1_800_000) / 1000),
      errorRate,
    };
    const regression = { errorRate: positive('--worse', options.worse, 1) / 100, latencyFactor: positive('--slower', options.slower, 1) };
    const runs = Math.max(1, numberOf('--runs', options.runs, 50));
    const seed = numberOf('--seed', options.seed, 1);
    const good = forecast(policy, { name: 'good', ...traffic, candidate: {} }, runs, seed);
    const bad = forecast(policy, { name: 'bad', ...traffic, candidate: regression }, runs, seed);
    const found =
      bad.failedAfterMs === null ? '' : `, after ${duration(bad.failedAfterMs.median)} (median), ${duration(bad.failedAfterMs.p95)} (p95)`;
    const expected =
      policy.judge === 'sequential'
        ? forecastBake(policy, errorRate, traffic.requestsPerSecond, traffic.share, traffic.seconds * 1000)
        : null;
    const text = [
      ...(expected === null ? [] : [expectedText(expected, traffic.requestsPerSecond * traffic.share)]),
      `A good version: ${good.passed} of ${runs} pass, ${good.failed} fail, ${good.inconclusive} stay open.`,
      `The bad one: ${bad.failed} of ${runs} fail${found}; ${bad.passed} pass, ${bad.inconclusive} stay open.`,
    ];
    return { exit: EXIT.ok, data: { traffic, regression, seed, expected, good, bad }, text: text.join('\n') };
  },
});

export const otlp = command<object>({
  help: 'With a token that can do nothing else. It changes with that of the control plane: start it with a SLUICE_TOKEN that stays.\n\n  $ sluice analysis otlp >> .env',
  options: [],
  async run(session) {
    const { url, token } = (await session.client()).target();
    const data = { endpoint: `${url}${OTLP_PATH}`, protocol: 'http/protobuf', token: metricsTokenOf(token) };
    const variables = {
      ENDPOINT: data.endpoint,
      PROTOCOL: data.protocol,
      // Of a header's value, what is no plain letter is written in percent (W3C Baggage, as the SDKs read it).
      HEADERS: `authorization=${encodeURIComponent(`Bearer ${data.token}`)}`,
    };
    const text = Object.entries(variables).map(([name, value]) => `OTEL_EXPORTER_OTLP_METRICS_${name}=${value}`);
    return { exit: EXIT.ok, data, text: text.join('\n') };
  },
});

/** @throws UserError `USAGE` */
function positive(option: string, value: string | undefined, fallback: number): number {
  const number = value === undefined ? fallback : Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UserError('USAGE', `${option} ${value} is not a number above 0`, `For example ${option} ${fallback}.`);
}
