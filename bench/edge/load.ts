import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Load {
  readonly perSecond: number;
  /** Latency, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 2xx or 3xx, and errors of the connection. */
  readonly failed: number;
}

/** One run of wrk with kept-alive connections. */
export async function load(wrk: string, url: string, shape: { readonly connections: number; readonly seconds: number }): Promise<Load> {
  const { stdout } = await run(wrk, ['-t1', `-c${shape.connections}`, `-d${Math.max(1, Math.round(shape.seconds))}s`, '--latency', url]);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1).map(Number) ?? [];
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50: latencyMs(stdout, '50%'),
    p99: latencyMs(stdout, '99%'),
    failed: refused + errors.reduce((sum, count) => sum + count, 0),
  };
}

function latencyMs(text: string, quantile: string): number {
  const [, value, unit] = new RegExp(`^\\s*${quantile}\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(text) ?? [];
  return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1_000 : 1);
}

/** Value at a quantile, nearest rank. */
export function at(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] ?? Number.NaN;
}
