import { describe, expect, it } from 'vitest';
import type { Format, ReadReport, ReportContent } from '../../core/gates/contents.ts';
import { judge } from '../../core/gates/judge.ts';
import type { GateSettings } from '../../core/gates/settings.ts';
import type { ReadContext, ReportReader } from '../../ports/reports.ts';
import { coberturaReader } from './cobertura.ts';
import { cyclonedxReader } from './cyclonedx.ts';
import { reportReaders } from './index.ts';
import { junitReader } from './junit.ts';
import { lcovReader } from './lcov.ts';
import { k6Reader } from './metrics.ts';
import { npmAuditReader } from './npm-audit.ts';
import { osvReader } from './osv.ts';
import * as samples from '../../../test/worlds/report-samples.ts';
import { sarifReader } from './sarif.ts';
import { sonarqubeReader } from './sonarqube.ts';

/** Mutated reports of each format. The long run: SLUICE_FUZZ=20000 npx vitest run src/adapters/reports/fuzz.spec.ts */
const RUNS = Number(process.env['SLUICE_FUZZ'] ?? 400);
/** Longest that one report may take, ms; on a busy machine, hence so much. */
const LONGEST_MS = 5000;

const SOURCES = ['src/a.js', 'src/b.js'].map((path) => ({ path, text: 'call();\n'.repeat(40) }));
const SETTINGS: GateSettings = {
  coverage: { new: 80, overall: 50, exclude: [], unmeasured: 'uncovered' },
  duplication: null,
  smallChange: 20,
  tests: { least: 1, expectedSkips: [] },
  findings: { new: 'minor', overall: null, exclude: [] },
  ratings: { reliability: null, security: null, maintainability: null, review: null },
  ratingsOf: 'new',
  debtRatio: null,
  licences: { allow: ['MIT'], except: [] },
  advisories: { least: 'moderate' },
  budgets: { 'http_req_duration.p(95)': { most: 500, least: null, worse: null } },
  qualityGate: true,
  waivers: [],
};

/** Gates that the format is evidence for. */
const GATES: Readonly<Record<Format, readonly string[]>> = {
  lcov: ['coverage.new', 'coverage.overall'],
  cobertura: ['coverage.new', 'coverage.overall'],
  junit: ['tests', 'tests.skipped'],
  sarif: ['findings.new'],
  cyclonedx: ['licences'],
  sonarqube: ['qualityGate'],
  k6: ['performance', 'performance.http_req_duration.p(95)'],
  'npm-audit': ['advisories'],
  osv: ['advisories'],
};

interface Case {
  readonly reader: ReportReader;
  readonly bad: string;
  readonly good: string;
}

const CASES: readonly Case[] = [
  { reader: lcovReader, bad: samples.lcovSample(8), good: samples.lcovSample(40) },
  { reader: coberturaReader, bad: samples.coberturaSample(8), good: samples.coberturaSample(40) },
  { reader: junitReader, bad: samples.junitSample(10), good: samples.junitSample(0) },
  { reader: sarifReader, bad: samples.sarifSample(8), good: samples.sarifSample(0) },
  { reader: cyclonedxReader, bad: samples.cyclonedxSample(8), good: samples.cyclonedxSample(0) },
  { reader: sonarqubeReader, bad: samples.sonarqubeSample(true), good: samples.sonarqubeSample(false) },
  { reader: k6Reader, bad: samples.k6Sample(true), good: samples.k6Sample(false) },
  { reader: npmAuditReader, bad: samples.npmAuditSample(8), good: samples.npmAuditSample(0) },
  { reader: osvReader, bad: samples.osvSample(8), good: samples.osvSample(0) },
];

const context: ReadContext = { server: null, token: null, signal: new AbortController().signal };

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Looked {
  readonly passes: boolean;
  readonly content: ReportContent | null;
}

/** Reads it in parts of an odd size, and judges. */
async function look(reader: ReportReader, bytes: Uint8Array, part = 1 << 16): Promise<Looked> {
  const began = performance.now();
  const answer = await reader.read(inParts(bytes, part), context);
  const report: ReadReport = { format: reader.format, name: 'report', check: 'x', ...answer };
  const newLines = new Map(SOURCES.map(({ path }) => [path, new Set(Array.from({ length: 40 }, (_, i) => i + 1))]));
  const { gates } = judge(SETTINGS, { reports: [report], newLines, sources: SOURCES, previous: {}, now: 0 });
  const own = gates.filter((one) => one.gate === 'report.x' || GATES[reader.format].includes(one.gate));
  expect(performance.now() - began).toBeLessThan(LONGEST_MS);
  expect(own.length).toBeGreaterThan(0);
  return { passes: own.every((one) => one.result === 'passed'), content: 'content' in answer ? answer.content : null };
}

/** Small, seeded, and good enough to choose places with. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const PIECES = [
  '<',
  '>',
  '"',
  '&',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '0',
  '9',
  '-',
  '\n',
  '\0',
  '<!--',
  '-->',
  '<![CDATA[',
  '&x;',
  'null',
  'end_of_record\n',
  '\uFFFD',
];

/** One to three of: a byte changed, one taken away, a piece put in, a stretch cut out, a stretch said twice. */
function mutate(bytes: Buffer, draw: (below: number) => number): Buffer {
  let result = bytes;
  for (let count = 1 + draw(3); count > 0; count -= 1) {
    const at = draw(result.length);
    const to = Math.min(result.length, at + 1 + draw(30));
    const [head, tail] = [result.subarray(0, at), result.subarray(at)];
    switch (draw(5)) {
      case 0:
        result = Buffer.concat([head, Buffer.from([draw(256)]), result.subarray(at + 1)]);
        break;
      case 1:
        result = Buffer.concat([head, result.subarray(at + 1)]);
        break;
      case 2:
        result = Buffer.concat([head, Buffer.from(PIECES[draw(PIECES.length)] ?? ''), tail]);
        break;
      case 3:
        result = Buffer.concat([head, result.subarray(to)]);
        break;
      default:
        result = Buffer.concat([head, result.subarray(at, to), tail]);
    }
  }
  return result;
}

it('every reader is among the cases', () => {
  expect(CASES.map(({ reader }) => reader)).toEqual(reportReaders);
});

describe.each(CASES)('$reader.format', ({ reader, bad, good }) => {
  it('passes what is good and fails what is bad, in whatever parts it comes', async () => {
    for (const part of [1, 7, 64, 1 << 20]) {
      expect((await look(reader, Buffer.from(good), part)).passes).toBe(true);
      expect((await look(reader, Buffer.from(bad), part)).passes).toBe(false);
      expect((await look(reader, Buffer.from(bad), part)).content).not.toBeNull();
    }
  });

  it('damage never makes a bad report pass', { timeout: 3_600_000 }, async () => {
    const bytes = Buffer.from(bad);
    const draw = random(20_260_101 + reader.format.length);
    const passing: string[] = [];
    for (let run = 0; run < RUNS && passing.length === 0; run += 1) {
      const damaged = mutate(bytes, draw);
      const { passes } = await look(reader, damaged, 1 + draw(2000));
      if (passes) passing.push(`run ${run}:\n${damaged.toString('utf8')}`);
    }
    expect(passing).toEqual([]);
  });

  it('a good report that is cut off fails, or says the same', { timeout: 3_600_000 }, async () => {
    const bytes = Buffer.from(good);
    const whole = (await look(reader, bytes)).content;
    const step = Math.max(1, Math.floor(bytes.length / RUNS));
    const contents: unknown[] = [];
    for (let length = 0; length < bytes.length; length += step) {
      const { passes, content } = await look(reader, bytes.subarray(0, length), 997);
      if (passes) contents.push(content);
    }
    expect(contents).toEqual(contents.map(() => whole));
  });

  it('a good report with damage never breaks the reader', { timeout: 3_600_000 }, async () => {
    const bytes = Buffer.from(good);
    const draw = random(7 + reader.format.length);
    let looks = 0;
    for (; looks < RUNS; looks += 1) await look(reader, mutate(bytes, draw), 1 + draw(2000));
    expect(looks).toBe(RUNS);
  });

  it('noise never passes', { timeout: 3_600_000 }, async () => {
    const draw = random(99);
    for (let run = 0; run < RUNS / 4; run += 1) {
      const noise = Buffer.from(Array.from({ length: draw(300) }, () => draw(256)));
      expect((await look(reader, noise)).passes).toBe(false);
    }
  });
});
