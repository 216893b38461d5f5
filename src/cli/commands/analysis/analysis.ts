import { Option } from 'commander';
import { policyInFile } from '../../../config/load/template-file.ts';
import { replayOf, tryPolicy } from '../../../core/analysis/replay.ts';
import type { ReleaseRow } from '../../../engine/face.ts';
import { metricsTokenOf } from '../../../server/auth/tokens.ts';
import { OTLP_PATH } from '../../../server/routes/otlp.ts';
import { byBake, estimates, eventsOf, replayed, sparkline, streamRows, towards } from '../../view/analysis.ts';
import { EXIT } from '../../session/exit.ts';
import { environmentOption } from '../../session/options.ts';
import { command, numberOf } from '../../session/session.ts';
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
