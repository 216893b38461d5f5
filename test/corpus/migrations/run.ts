import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { examine } from '../../../src/adapters/database/postgres/examine.ts';
import { parseStatements } from '../../../src/adapters/database/postgres/parse.ts';
import type { Statement } from '../../../src/core/data/migrations/ast.ts';
import { type JudgedStatement, needsNoTransaction } from '../../../src/core/data/migrations/classify.ts';
import type { Hazard } from '../../../src/core/data/migrations/finding.ts';
import { onServer } from '../../postgres.ts';

/** One labelled entry: statements as they would stand in a file, and the hazards a person sees in them. */
export interface Entry {
  readonly id: string;
  readonly rule: number;
  readonly sql: string;
  readonly hazards: readonly Hazard[];
}

export interface Corpus {
  readonly schema: string;
  readonly entries: readonly Entry[];
}

export interface Judged {
  readonly entry: Entry;
  readonly found: readonly Hazard[];
  readonly rules: readonly number[];
  readonly judged: readonly JudgedStatement[];
  /** Time of the slowest trace, ms. */
  readonly traceMs: number;
}

/** `dir` holds schema.sql and corpus.json. */
export async function readCorpus(dir: string): Promise<Corpus> {
  const [schema, entries] = await Promise.all([readFile(join(dir, 'schema.sql'), 'utf8'), readFile(join(dir, 'corpus.json'), 'utf8')]);
  return { schema, entries: JSON.parse(entries) as Entry[] };
}

/** Judge every entry on a database of its own, all made from one template. */
export async function judgeCorpus({ schema, entries }: Corpus, serverUrl: string): Promise<Judged[]> {
  const template = `corpus_${process.pid}_${Date.now()}`;
  const results: Judged[] = [];
  try {
    await onServer(serverUrl, (admin) => admin.query(`CREATE DATABASE ${template}`));
    await onDatabase(serverUrl, template, (client) => client.query(schema));
    const parsed = await Promise.all(
      entries.map(async (entry) => ({ entry, statements: await parseStatements(entry.sql, `entry ${entry.id}`) })),
    );
    // One statement in a transaction can be taken back, and leaves the template as it was.
    const alone = parsed.filter(
      ({ statements: [first, ...more] }) => first !== undefined && more.length === 0 && !needsNoTransaction(first),
    );
    await onDatabase(serverUrl, template, async (client) => {
      for (const { entry, statements } of alone) results.push(await judgeEntry(entry, statements, client, false));
    });
    for (const { entry, statements } of parsed.filter((one) => !alone.includes(one))) {
      const name = `${template}_${entry.id.replaceAll(/\W/g, '_')}`;
      await onServer(serverUrl, (admin) => admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
      try {
        results.push(await onDatabase(serverUrl, name, (client) => judgeEntry(entry, statements, client, true)));
      } finally {
        await onServer(serverUrl, (admin) => admin.query(`DROP DATABASE ${name} WITH (FORCE)`));
      }
    }
  } finally {
    await onServer(serverUrl, (admin) => admin.query(`DROP DATABASE IF EXISTS ${template} WITH (FORCE)`));
  }
  return results.toSorted((a, b) => (a.entry.id < b.entry.id ? -1 : 1));
}

async function judgeEntry(entry: Entry, statements: readonly Statement[], client: pg.Client, keep: boolean): Promise<Judged> {
  const [judged = []] = await examine({ files: [statements], scratch: client, known: null, appendOnly: [], serverMajor: 18, keep });
  const findings = judged.flatMap((one) => one.findings);
  return {
    entry,
    found: [...new Set(findings.map(({ hazard }) => hazard))],
    rules: [...new Set(findings.map(({ rule }) => rule))],
    judged,
    traceMs: Math.max(0, ...judged.map(({ trace }) => trace?.tookMs ?? 0)),
  };
}

function onDatabase<T>(serverUrl: string, name: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return onServer(url.href, work);
}

/** Of the entries with a label, how many were found with it; and those without any that were suspected all the same. */
export function score(results: readonly { readonly entry: Entry; readonly found: readonly Hazard[] }[]) {
  const hazardous = results.filter(({ entry }) => entry.hazards.length > 0);
  const locks = hazardous.filter(({ entry }) => entry.hazards.includes('lock'));
  const caught = hazardous.filter(({ entry, found }) => entry.hazards.some((one) => found.includes(one)));
  const exact = results.filter(
    ({ entry, found }) => entry.hazards.every((one) => found.includes(one)) && (entry.hazards.length > 0 || found.length === 0),
  );
  return {
    entries: results.length,
    hazards: hazardous.length,
    locks: locks.length,
    caught: caught.length,
    locksCaught: locks.filter(({ found }) => found.includes('lock')).length,
    falseAlarms: results.filter(({ entry, found }) => entry.hazards.length === 0 && found.length > 0).length,
    allLabels: exact.length,
  };
}
