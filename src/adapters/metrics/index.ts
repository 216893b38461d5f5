import { UserError } from '../../core/errors.ts';
import type { MetricSource } from '../../ports/metric-source.ts';
import { type EdgeSourceOptions, edgeSource } from './edge.ts';
import { jobSource } from './job.ts';
import { logSource } from './logs.ts';
import type { OtlpIntake } from './otlp-intake.ts';
import { otlpSource } from './otlp.ts';
import { prometheusSource } from './prometheus.ts';
import { webSource } from './web.ts';

export interface MetricSourcesOptions extends EdgeSourceOptions {
  /** The workspace: jobs run there. */
  readonly dir: string;
  /** Where the log files of a version are, with `{{environment}}`, `{{app}}`, `{{version}}`. */
  readonly logFolder: string;
  readonly env: NodeJS.ProcessEnv;
  /** What jobs inherit: no secrets. */
  readonly jobEnv: NodeJS.ProcessEnv;
  readonly intake: OtlpIntake;
  readonly now: () => number;
}

/** Every source there is. Another one is a file beside these and a line here. */
export function metricSources(options: MetricSourcesOptions): (kind: string) => MetricSource {
  const { dir, logFolder, env, jobEnv, intake, now, stats } = options;
  const sources: readonly MetricSource[] = [
    edgeSource({ stats }),
    prometheusSource({ env, now }),
    otlpSource({ intake, now }),
    webSource({ env, now }),
    jobSource({ dir, env: jobEnv, now }),
    logSource({ dir, folder: logFolder, now }),
  ];
  return (kind) => {
    const found = sources.find((source) => source.kind === kind);
    if (found !== undefined) return found;
    throw new UserError(
      'METRIC_SOURCE_UNKNOWN',
      `there is no metric source ${kind}`,
      `Known: ${sources.map((one) => one.kind).join(', ')}.`,
    );
  };
}
