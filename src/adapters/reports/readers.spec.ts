import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, test } from 'vitest';
import type { ReportContent } from '../../core/gates/contents.ts';
import type { ReadAnswer, ReadContext, ReportReader } from '../../ports/reports.ts';
import { coberturaReader } from './cobertura.ts';
import { cyclonedxReader } from './cyclonedx.ts';
import { junitReader } from './junit.ts';
import { lcovReader } from './lcov.ts';
import { k6Reader } from './metrics.ts';
import { npmAuditReader } from './npm-audit.ts';
import { osvReader } from './osv.ts';
import { sarifReader } from './sarif.ts';
import { sonarqubeReader } from './sonarqube.ts';

const plain: ReadContext = { server: null, token: null, signal: new AbortController().signal };

async function* whole(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const read = (reader: ReportReader, text: string, context: Partial<ReadContext> = {}): Promise<ReadAnswer> =>
  reader.read(whole(text), { ...plain, ...context });

async function contentOf<Kind extends ReportContent['kind']>(
  kind: Kind,
  reader: ReportReader,
  text: string,
  context: Partial<ReadContext> = {},
): Promise<Extract<ReportContent, { kind: Kind }>> {
  const answer = await read(reader, text, context);
  if (!('content' in answer) || answer.content.kind !== kind) throw new Error(JSON.stringify(answer));
  return answer.content as Extract<ReportContent, { kind: Kind }>;
}

async function problemOf(reader: ReportReader, text: string, context: Partial<ReadContext> = {}): Promise<string> {
  const answer = await read(reader, text, context);
  return 'problem' in answer ? `${answer.problem.kind}: ${answer.problem.message}` : 'none';
}

describe('lcov', () => {
  it('lines in any order, said twice, with checksums and other line ends', async () => {
    const { files } = await contentOf(
      'coverage',
      lcovReader,
      'SF:a.js\r\nDA:5,1,abc==\r\nDA:2,0\r\nDA:5,2\r\nBRDA:2,0,0,-\r\nBRDA:2,0,1,4\r\nend_of_record\r\n',
    );
    expect(files).toEqual([
      {
        path: 'a.js',
        lines: Uint32Array.of(2, 5),
        hits: Uint32Array.of(0, 3),
        branchLines: Uint32Array.of(2),
        branches: Uint32Array.of(2),
        branchesTaken: Uint32Array.of(1),
      },
    ]);
  });
  it('counts that are too large are many', async () => {
    const { files } = await contentOf('coverage', lcovReader, 'SF:a.js\nDA:1,99999999999999999999\nend_of_record\n');
    expect(files[0]?.hits).toEqual(Uint32Array.of(0xffff_ffff));
  });
  test.each([
    ['', 'empty'],
    ['TN:\n', 'empty'],
    ['SF:a.js\nDA:1,1\n', 'damaged'],
    ['DA:1,1\nend_of_record\n', 'damaged'],
    ['SF:a.js\nDA:0,1\nend_of_record\n', 'empty'],
    ['SF:a.js\nDA:,1\nend_of_record\n', 'damaged'],
    ['SF:a.js\nend_of_record\n', 'empty'],
    ['SF:a.js\nDA:1,-1\nend_of_record\n', 'damaged'],
    ['SF:a.js\nDA:1,1\nLF:2\nLH:1\nend_of_record\n', 'damaged'],
    ['SF:a.js\nDA:1,0\nLF:1\nLH:1\nend_of_record\n', 'damaged'],
    ['SF:a.js\nDA:1,1x\nend_of_record\n', 'damaged'],
    ['SF:a.js\nSF:b.js\nDA:1,1\nend_of_record\n', 'damaged'],
    ['<html>not found</html>\n', 'damaged'],
  ])('%j is %s', async (text, kind) => expect((await problemOf(lcovReader, text)).split(':')[0]).toBe(kind));
});

describe('cobertura', () => {
  const report = (inner: string): string =>
    `<coverage><sources><source>/w</source></sources><packages><package><classes><class filename="a&amp;b.py">${inner}</class></classes></package></packages></coverage>`;
  it('names, sources and branches', async () => {
    const content = await contentOf(
      'coverage',
      coberturaReader,
      report(
        '<methods/><lines><line number="2" hits="1" branch="true" condition-coverage="50% (1/2)"/><line hits="0" number="3"/></lines>',
      ),
    );
    expect(content.roots).toEqual(['/w']);
    expect(content.files[0]).toMatchObject({
      path: 'a&b.py',
      lines: Uint32Array.of(2, 3),
      hits: Uint32Array.of(1, 0),
      branches: Uint32Array.of(2),
      branchesTaken: Uint32Array.of(1),
    });
  });
  it('lines of methods count where the class has none of its own', async () => {
    const inner = '<methods><method name="m"><lines><line number="7" hits="1"/></lines></method></methods><lines/>';
    expect((await contentOf('coverage', coberturaReader, report(inner))).files[0]?.lines).toEqual(Uint32Array.of(7));
  });
  test.each([
    ['', 'damaged'],
    [report('<lines/>'), 'empty'],
    [report('<lines><line number="1"/></lines>'), 'damaged'],
    [report('<lines><line number="1" hits="1" hits="2"/></lines>'), 'damaged'],
    [report('<lines> line number="1" hits="0"/></lines>'), 'damaged'],
    [report('<lines><line number="1" hits="1"></lines>'), 'damaged'],
    [`<!DOCTYPE coverage [<!ENTITY a "b">]>${report('<lines><line number="1" hits="1"/></lines>')}`, 'damaged'],
    [report('<lines><line number="1" hits="1"/></lines>').replace('&amp;', '&other;'), 'damaged'],
    [`${report('<lines><line number="1" hits="1"/></lines>')}<coverage/>`, 'damaged'],
    ['<html><body>Not found</body></html>', 'damaged'],
  ])('%j is %s', async (text, kind) => expect((await problemOf(coberturaReader, text)).split(':')[0]).toBe(kind));
});

describe('junit', () => {
  it('suites in suites, as the runners of Node and Python write them', async () => {
    const text = `<?xml version="1.0"?><testsuites><testsuite name="outer" tests="1"><testsuite name="inner" tests="2" failures="1">
      <testcase name="a" classname="x"/><testcase name="b"><failure message="no&#10;more">x</failure></testcase></testsuite></testsuite>
      <testcase name="alone" classname="test"><skipped/></testcase></testsuites>`;
    expect((await contentOf('tests', junitReader, text)).tests).toEqual([
      { name: 'outer › inner › a', result: 'passed', message: null },
      { name: 'outer › inner › b', result: 'failed', message: 'no' },
      { name: 'test › alone', result: 'skipped', message: null },
    ]);
  });
  test.each([
    ['<testsuites/>', 'empty'],
    ['<testsuite tests="3" failures="1"><testcase name="a"/><testcase name="b"/><testcase name="c"/></testsuite>', 'damaged'],
    ['<testsuite tests="9"><testcase name="a"/></testsuite>', 'damaged'],
    ['<testsuite><testcase name="a"><failur/></testcase></testsuite>', 'damaged'],
    ['<testsuite><testcase name="a"/>', 'damaged'],
    ['<html/>', 'damaged'],
    ['<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite><testcase name="&a;"/></testsuite>', 'damaged'],
  ])('%j is %s', async (text, kind) => expect((await problemOf(junitReader, text)).split(':')[0]).toBe(kind));
});

describe('sarif', () => {
  const run = (result: object, rule: object = {}, more: object = {}): string =>
    JSON.stringify({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 't', rules: [{ id: 'r', ...rule }] } },
          results: [{ ruleId: 'r', message: { text: 'm' }, ...result }],
          ...more,
        },
      ],
    });
  const first = async (result: object, rule: object = {}, more: object = {}) =>
    (await contentOf('findings', sarifReader, run(result, rule, more))).findings[0];
  it('the level of the result, of its rule, or a warning', async () => {
    expect(await first({ level: 'error' })).toMatchObject({ severity: 'major', kind: 'bug' });
    expect(await first({}, { defaultConfiguration: { level: 'note' } })).toMatchObject({ severity: 'info', kind: 'codeSmell' });
    expect(await first({})).toMatchObject({ severity: 'minor' });
  });
  it('scores of scanners of containers', async () => {
    expect(await first({}, { properties: { 'security-severity': '9.8', tags: ['vulnerability'] } })).toMatchObject({
      severity: 'blocker',
      kind: 'vulnerability',
    });
    expect(await first({}, { properties: { 'security-severity': '5.0' } })).toMatchObject({ severity: 'major' });
  });
  it('places, decoded and with their base', async () => {
    const locations = [
      { physicalLocation: { artifactLocation: { uri: 'a%20b.js', uriBaseId: 'ROOT' }, region: { startLine: 3, endLine: 5 } } },
    ];
    expect(await first({ locations }, {}, { originalUriBaseIds: { ROOT: { uri: 'file:///w/' } } })).toMatchObject({
      path: '/w/a b.js',
      line: 3,
      endLine: 5,
    });
  });
  it('what passed, is gone or was suppressed in the source is no finding', async () => {
    expect(await first({ kind: 'pass' })).toBeUndefined();
    expect(await first({ baselineState: 'absent' })).toBeUndefined();
    expect(await first({ suppressions: [{ kind: 'inSource' }] })).toBeUndefined();
    expect(await first({ suppressions: [{ kind: 'external', status: 'rejected' }] })).toBeDefined();
    expect(await first({ baselineState: 'unchanged' })).toMatchObject({ isNew: false });
  });
  test.each([
    ['{"version":"2.1.0","runs":[]}', 'empty'],
    ['{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}}}]}', 'damaged'],
    ['{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"results":null}]}', 'damaged'],
    ['{"version":"2.0.0","runs":[]}', 'damaged'],
    [run({ level: 'fatal' }), 'damaged'],
    [run({}, {}, { invocations: [{ executionSuccessful: false }] }), 'damaged'],
    ['', 'empty'],
  ])('%s is %s', async (text, kind) => expect((await problemOf(sarifReader, text)).split(':')[0]).toBe(kind));
});

describe('cyclonedx', () => {
  it('licences of components within components', async () => {
    const text = JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      components: [
        {
          type: 'library',
          group: '@a',
          name: 'b',
          version: '1',
          licenses: [{ license: { id: 'MIT' } }],
          components: [{ type: 'library', name: 'c' }],
        },
      ],
    });
    expect((await contentOf('components', cyclonedxReader, text)).components).toEqual([
      { name: '@a/b', version: '1', licences: ['MIT'] },
      { name: 'c', version: '', licences: [] },
    ]);
  });
  it('without components says so only of something', async () => {
    expect(await problemOf(cyclonedxReader, '{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}')).toContain('empty');
    expect(
      await problemOf(
        cyclonedxReader,
        '{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"name":"a"}},"components":[]}',
      ),
    ).toBe('none');
  });
});

describe('figures of performance tests', () => {
  it("k6's summary and its export", async () => {
    const summary = await contentOf(
      'metrics',
      k6Reader,
      '{"metrics":{"d":{"type":"trend","values":{"p(95)":9},"thresholds":{"p(95)<5":{"ok":false}}}}}',
    );
    expect([summary.metrics.get('d.p(95)'), summary.broken]).toEqual([9, ['d p(95)<5']]);
    const exported = await contentOf('metrics', k6Reader, '{"metrics":{"d":{"p(95)":9,"thresholds":{"p(95)<5":true,"p(95)<50":false}}}}');
    expect([exported.metrics.get('d.p(95)'), exported.broken]).toEqual([9, ['d p(95)<5']]);
  });
  it('any JSON of numbers', async () => {
    expect([...(await contentOf('metrics', k6Reader, '{"lcp":1.5,"bundle":{"js":200}}')).metrics]).toEqual([
      ['lcp', 1.5],
      ['bundle.js', 200],
    ]);
    expect(await problemOf(k6Reader, '{"a":"b"}')).toContain('empty');
  });
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Answers = (path: string, body: unknown, request: IncomingMessage) => { status?: number; json?: unknown };

/** A server on loopback that answers JSON. */
async function serve(answers: Answers): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const { status = 200, json = {} } = answers(request.url ?? '', text === '' ? null : JSON.parse(text), request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closing.push(() => new Promise((resolve) => void server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("sonarqube's gate of one analysis", () => {
  const task = (url: string): string =>
    `projectKey=p\nserverUrl=${url}\nserverVersion=10\nceTaskId=AX-1\nceTaskUrl=${url}/api/ce/task?id=AX-1\n`;
  it('asks the task until it is an analysis, and then about that one', async () => {
    let looks = 0;
    const asked: string[] = [];
    const url = await serve((path, _body, request) => {
      asked.push(`${path} ${request.headers.authorization ?? ''}`);
      if (path.startsWith('/sonar/api/ce/task')) {
        looks += 1;
        return { json: { task: looks < 2 ? { status: 'PENDING' } : { status: 'SUCCESS', analysisId: 'AN-7' } } };
      }
      return {
        json: {
          projectStatus: {
            status: 'ERROR',
            conditions: [{ status: 'ERROR', metricKey: 'new_coverage', actualValue: '10', errorThreshold: '80' }],
          },
        },
      };
    });
    const content = await contentOf('qualityGate', sonarqubeReader, task(`${url}/sonar`), { token: 'squ_1' });
    expect(content).toMatchObject({ status: 'ERROR', conditions: [{ metric: 'new_coverage', actual: '10' }] });
    expect(asked).toEqual([
      '/sonar/api/ce/task?id=AX-1 Bearer squ_1',
      '/sonar/api/ce/task?id=AX-1 Bearer squ_1',
      '/sonar/api/qualitygates/project_status?analysisId=AN-7 Bearer squ_1',
    ]);
  });
  it('an analysis that failed, or a server that says no, does not count', async () => {
    const failed = await serve(() => ({ json: { task: { status: 'FAILED', errorMessage: 'out of memory' } } }));
    expect(await problemOf(sonarqubeReader, task(failed))).toContain('out of memory');
    const denied = await serve(() => ({ status: 401 }));
    const said = await problemOf(sonarqubeReader, task(denied), { token: 'squ_secret' });
    expect(said).toContain('answered 401');
    expect(said).not.toContain('squ_secret');
    expect(await problemOf(sonarqubeReader, task('http://127.0.0.1:1'))).toContain('unreachable');
  });
  test.each(['projectKey=p\n', 'no properties', 'serverUrl=http://x\nceTaskId=../../etc\n'])('%j is damaged', async (text) =>
    expect(await problemOf(sonarqubeReader, text)).toContain('damaged'),
  );
});

describe('advisories', () => {
  const lock = JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { name: 'app' },
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b/node_modules/a': { version: '2.0.0' },
      'node_modules/@s/c': { version: '1.0.0' },
      'packages/own': { version: '1.0.0' },
      'node_modules/own': { link: true },
    },
  });
  const bulk = {
    a: [{ id: 7, url: 'https://github.com/advisories/GHSA-1234-abcd-5678', title: 'Bad', severity: 'high', vulnerable_versions: '<2' }],
  };
  it('asks a registry of npm about what is locked', async () => {
    let asked: unknown = null;
    const server = await serve((path, body) => {
      asked = { path, body };
      return { json: bulk };
    });
    const content = await contentOf('advisories', npmAuditReader, lock, { server });
    expect(asked).toEqual({ path: '/-/npm/v1/security/advisories/bulk', body: { a: ['1.0.0', '2.0.0'], '@s/c': ['1.0.0'] } });
    expect(content.advisories).toEqual([
      { id: 'GHSA-1234-abcd-5678', aliases: ['npm:7'], package: 'a', version: null, severity: 'high', title: 'Bad' },
    ]);
  });
  it('reads npm audit --json', async () => {
    const text = (total: number): string =>
      JSON.stringify({
        auditReportVersion: 2,
        vulnerabilities: {
          a: { name: 'a', severity: 'high', via: [{ source: 7, title: 'Bad', severity: 'high' }] },
          b: { name: 'b', severity: 'high', via: ['a'] },
        },
        metadata: { vulnerabilities: { total } },
      });
    expect((await contentOf('advisories', npmAuditReader, text(2))).advisories.map((one) => one.id)).toEqual(['npm:7']);
    expect(await problemOf(npmAuditReader, text(3))).toContain('damaged');
  });
  it('without a registry, with an error, or with no answer there is no evidence', async () => {
    expect(await problemOf(npmAuditReader, lock)).toContain('which registry');
    expect(await problemOf(npmAuditReader, '{"error":{"code":"ENOLOCK"}}')).toContain('damaged');
    expect(await problemOf(npmAuditReader, lock, { server: await serve(() => ({ status: 503 })) })).toContain('answered 503');
  });
  it('asks a server of OSV, details once each', async () => {
    const asked: string[] = [];
    const server = await serve((path) => {
      asked.push(path);
      if (path === '/v1/querybatch') return { json: { results: [{ vulns: [{ id: 'GHSA-x' }] }, { vulns: [{ id: 'GHSA-x' }] }, {}] } };
      return { json: { id: 'GHSA-x', aliases: ['CVE-1'], summary: 'Bad', database_specific: { severity: 'MODERATE' } } };
    });
    const content = await contentOf('advisories', osvReader, lock, { server });
    expect(content.advisories.map(({ package: name, version, severity }) => [name, version, severity])).toEqual([
      ['a', '1.0.0', 'moderate'],
      ['a', '2.0.0', 'moderate'],
    ]);
    expect(asked).toEqual(['/v1/querybatch', '/v1/vulns/GHSA-x']);
  });
  it('of OSV in files; withdrawn ones do not count, vectors are of unknown severity', async () => {
    const text = JSON.stringify({
      results: [
        {
          packages: [
            {
              package: { name: 'p', version: '1' },
              vulnerabilities: [
                { id: 'A', severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N' }] },
                { id: 'B', withdrawn: '2026-01-01' },
              ],
            },
          ],
        },
      ],
    });
    expect((await contentOf('advisories', osvReader, text)).advisories).toMatchObject([{ id: 'A', severity: 'unknown' }]);
  });
});
