/** One parser on one file in a process of its own: `parse.ts PARSER FILE`; prints ms, peak memory and what it counted. */
import { createReadStream, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { coberturaReader } from '../../src/adapters/reports/cobertura.ts';
import { lcovReader } from '../../src/adapters/reports/lcov.ts';
import type { ReportReader } from '../../src/ports/reports.ts';

const [, , parser = '', file = ''] = process.argv;
const peer = createRequire(join(import.meta.dirname, '../peers/reports/package.json'));

interface Counted {
  readonly lines: number;
  readonly hit: number;
}

async function ours(reader: ReportReader): Promise<Counted> {
  const context = { server: null, token: null, signal: new AbortController().signal };
  const answer = await reader.read(createReadStream(file, { highWaterMark: 1 << 20 }), context);
  if (!('content' in answer) || answer.content.kind !== 'coverage') throw new Error(JSON.stringify(answer));
  let [lines, hit] = [0, 0];
  for (const one of answer.content.files) {
    lines += one.lines.length;
    for (const hits of one.hits) if (hits > 0) hit += 1;
  }
  return { lines, hit };
}

interface LcovFile {
  readonly lines: { readonly found: number; readonly hit: number; readonly details: readonly { readonly hit: number }[] };
}

function lcovParse(): Promise<Counted> {
  const parse = peer('lcov-parse') as (path: string, done: (error: string | null, files: LcovFile[]) => void) => void;
  return new Promise((resolve, reject) => {
    parse(file, (error, files) => {
      if (error !== null) return reject(new Error(error));
      resolve({
        lines: files.reduce((sum, one) => sum + one.lines.details.length, 0),
        hit: files.reduce((sum, one) => sum + one.lines.details.filter(({ hit }) => hit > 0).length, 0),
      });
    });
  });
}

interface Line {
  readonly '@_hits': string;
}

function fastXml(): Promise<Counted> {
  const { XMLParser } = peer('fast-xml-parser') as { XMLParser: new (options: object) => { parse(text: Buffer): unknown } };
  const tree = new XMLParser({ ignoreAttributes: false }).parse(readFileSync(file)) as {
    coverage: { packages: { package: { classes: { class: { lines: { line: Line[] } }[] } } } };
  };
  const all = tree.coverage.packages.package.classes.class.flatMap((one) => one.lines.line);
  return Promise.resolve({ lines: all.length, hit: all.filter((line) => Number(line['@_hits']) > 0).length });
}

const PARSERS: Readonly<Record<string, () => Promise<Counted>>> = {
  'sluice-lcov': () => ours(lcovReader),
  'sluice-cobertura': () => ours(coberturaReader),
  'lcov-parse': lcovParse,
  'fast-xml-parser': fastXml,
};

const run = PARSERS[parser];
if (run === undefined) throw new Error(`no parser ${parser}`);
const began = performance.now();
const counted = await run();
const ms = performance.now() - began;
process.stdout.write(JSON.stringify({ ms, megabytes: process.resourceUsage().maxRSS / 1024, ...counted }));
