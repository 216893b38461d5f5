import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CheckReport, Measures } from '../../core/gates/report.ts';
import { writeAtomic } from '../../lib/atomic-file.ts';

/** How an app's measures went over time, one entry for each state of its sources. */
export interface Trends {
  read(app: string): Promise<readonly Trend[]>;
  add(report: CheckReport): Promise<void>;
}

export interface Trend {
  /** ms since epoch */
  readonly at: number;
  readonly commit: string;
  readonly fingerprint: string;
  readonly verdict: CheckReport['verdict'];
  readonly measures: Measures;
}

/** Entries kept for each app. */
const KEPT = 1000;

const measure = z.number().nullable();
const trendSchema = z.object({
  at: z.number(),
  commit: z.string(),
  fingerprint: z.string(),
  verdict: z.enum(['passed', 'failed', 'none']),
  measures: z.object({
    coverage: measure,
    newCoverage: measure,
    duplication: measure,
    newDuplication: measure,
    debtRatio: measure,
    tests: measure,
    findings: measure,
    metrics: z.record(z.string(), z.number()),
  }),
});

/** One file of JSON lines an app. What cannot be read is left out: a trend decides nothing on its own. */
export function fileTrends(dir: string): Trends {
  const read = async (app: string): Promise<Trend[]> => {
    const text = await readFile(join(dir, `${app}.jsonl`), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const parsed = trendSchema.safeParse(jsonOrNull(line));
      return parsed.success ? [parsed.data] : [];
    });
  };
  return {
    read,
    async add({ app, commit, fingerprint, verdict, measures, endedAt }) {
      const before = await read(app);
      // The same sources once more replace what they said before.
      const others = before.at(-1)?.fingerprint === fingerprint ? before.slice(0, -1) : before;
      const entries = [...others, { at: endedAt, commit, fingerprint, verdict, measures }].slice(-KEPT);
      await mkdir(dir, { recursive: true });
      await writeAtomic(join(dir, `${app}.jsonl`), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    },
  };
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
