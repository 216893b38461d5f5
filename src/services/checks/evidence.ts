import { createHash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CheckOutcome } from '../../core/gates/report.ts';
import { removeAbandoned, removeTree, unfinishedName } from '../../lib/unfinished.ts';

/** What one run of a check left: its outcome, its whole output, and the reports it made. */
export interface Evidence {
  readonly outcome: CheckOutcome;
  /** Root of the tree that it was run in: absolute paths in reports begin with it. */
  readonly root: string;
  /** Path as the check has it → reports with the content they had. */
  readonly reports: ReadonlyMap<string, readonly ReportFile[]>;
}

export interface ReportFile {
  /** As people know it, below the app's folder. */
  readonly name: string;
  /** Where it lies. */
  readonly file: string;
}

export interface EvidenceStore {
  /** Of the newest run with this key that passed; null when there is none, or it is no longer whole. */
  find(app: string, check: string, key: string): Promise<Evidence | null>;
  begin(app: string, check: string): Promise<Run>;
}

/** A run under way. Until it is kept, a crash leaves nothing that counts. */
export interface Run {
  /** File for the output. */
  readonly log: string;
  /** Keep what it left, the reports copied. Only what passed is ever found again. */
  keep(key: string, evidence: Evidence): Promise<Evidence>;
}

/** Runs kept for each check. */
const KEPT = 20;

const storedSchema = z.object({
  schema: z.literal(1),
  key: z.string(),
  root: z.string(),
  outcome: z.object({
    check: z.string(),
    result: z.literal('passed'),
    reused: z.boolean(),
    message: z.string(),
    exitCode: z.number().nullable(),
    ms: z.number(),
    log: z.string().nullable(),
    lastLines: z.array(z.string()),
    at: z.number(),
  }),
  reports: z.array(z.object({ path: z.string(), name: z.string(), file: z.string(), sha256: z.string() })),
});

/** Evidence in folders `<app>/<check>/<time>-<key>`. */
export function fileEvidence(dir: string): EvidenceStore {
  const work = join(dir, '.work');
  const place = (app: string, check: string): string => join(dir, app, check);
  return {
    async find(app, check, key) {
      const folder = place(app, check);
      const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(`-${short(key)}`)).toSorted();
      for (const name of names.toReversed()) {
        const found = await readEvidence(join(folder, name), key);
        if (found !== null) return found;
      }
      return null;
    },
    async begin(app, check) {
      await removeAbandoned(work);
      const folder = join(work, unfinishedName());
      await mkdir(folder, { recursive: true });
      return {
        log: join(folder, 'output.log'),
        async keep(key, evidence) {
          const parent = place(app, check);
          await mkdir(parent, { recursive: true });
          const time = String(evidence.outcome.at).padStart(15, '0');
          const final = join(parent, `${time}-${randomBytes(4).toString('hex')}-${short(key)}`);
          const kept = await store(folder, final, key, evidence);
          await rename(folder, final);
          for (const old of (await readdir(parent)).toSorted().slice(0, -KEPT)) await removeTree(join(parent, old));
          return kept;
        },
      };
    },
  };
}

async function store(folder: string, final: string, key: string, { outcome, root, reports }: Evidence): Promise<Evidence> {
  const rows: { path: string; name: string; file: string; sha256: string }[] = [];
  for (const [path, files] of reports) {
    for (const { name, file } of files) {
      const own = `report-${rows.length}`;
      await copyFile(file, join(folder, own));
      rows.push({ path, name, file: own, sha256: await digest(join(folder, own)) });
    }
  }
  const kept = { ...outcome, log: outcome.log === null ? null : join(final, 'output.log') };
  await writeFile(join(folder, 'outcome.json'), JSON.stringify({ schema: 1, key, root, outcome: kept, reports: rows }));
  return { outcome: kept, root, reports: grouped(rows, final, [...reports.keys()]) };
}

function grouped(
  rows: readonly { path: string; name: string; file: string }[],
  folder: string,
  paths: readonly string[],
): Evidence['reports'] {
  return new Map(
    [...new Set([...paths, ...rows.map((row) => row.path)])].map((path) => [
      path,
      rows.filter((row) => row.path === path).map(({ name, file }) => ({ name, file: join(folder, file) })),
    ]),
  );
}

/** Null for what did not pass, belongs to another key, or was changed since. */
async function readEvidence(folder: string, key: string): Promise<Evidence | null> {
  try {
    const stored = storedSchema.parse(JSON.parse(await readFile(join(folder, 'outcome.json'), 'utf8')));
    if (stored.key !== key) return null;
    for (const { file, sha256 } of stored.reports) if ((await digest(join(folder, file))) !== sha256) return null;
    return { outcome: stored.outcome, root: stored.root, reports: grouped(stored.reports, folder, []) };
  } catch {
    return null;
  }
}

async function digest(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

function short(key: string): string {
  return key.slice(0, 16);
}
