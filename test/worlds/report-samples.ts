/*
 * Reports of each format that say something bad by a wide margin, for tests: a few damaged bytes must never make
 * them pass. And the same in good.
 */

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** Two files of 40 lines; `covered` of each are. */
export function lcovSample(covered: number): string {
  const file = (name: string): string =>
    [
      'TN:',
      `SF:src/${name}`,
      'FN:1,main',
      'FNDA:1,main',
      'FNF:1',
      'FNH:1',
      ...times(40, (i) => `DA:${i + 1},${i < covered ? 3 : 0}`),
      ...times(4, (i) => `BRDA:${i + 1},0,0,${covered > 20 ? 1 : '-'}\nBRDA:${i + 1},0,1,${covered > 20 ? 2 : 0}`),
      'BRF:8',
      `BRH:${covered > 20 ? 8 : 0}`,
      'LF:40',
      `LH:${covered}`,
      'end_of_record',
    ].join('\n');
  return `${file('a.js')}\n${file('b.js')}\n`;
}

export function coberturaSample(covered: number): string {
  const lines = times(40, (i) =>
    i < 4
      ? `<line number="${i + 1}" hits="${i < covered ? 3 : 0}" branch="true" condition-coverage="${covered > 20 ? '100% (2/2)' : '0% (0/2)'}"><conditions><condition number="0" type="jump" coverage="0%"/></conditions></line>`
      : `<line number="${i + 1}" hits="${i < covered ? 3 : 0}"/>`,
  ).join('\n');
  const one = (name: string): string =>
    `<class name="${name}" filename="src/${name}" line-rate="0.1"><methods><method name="m" signature="()V"><lines><line number="1" hits="0"/></lines></method></methods><lines>\n${lines}\n</lines></class>`;
  return `<?xml version="1.0" ?>\n<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">\n<!-- made by hand -->\n<coverage line-rate="0.1" version="1.9"><sources><source>/work/app</source></sources><packages><package name="src &amp; more"><classes>${one('a.js')}\n${one('b.js')}</classes></package></packages></coverage>\n`;
}

export function junitSample(failures: number): string {
  const cases = times(20, (i) =>
    i < failures
      ? `<testcase name="t${i}" classname="c" time="0.1"><failure message="not so &lt;">stack</failure></testcase>`
      : `<testcase name="t${i}" classname="c" time="0.1"/>`,
  ).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="20" failures="${failures}"><testsuite name="suite" tests="20" failures="${failures}" errors="0" skipped="0"><properties/>\n${cases}\n<system-out><![CDATA[said]]></system-out></testsuite></testsuites>\n`;
}

export function sarifSample(errors: number): string {
  const results = times(errors, (i) => ({
    ruleId: 'no-eval',
    level: 'error',
    message: { text: `bad ${i}` },
    locations: [{ physicalLocation: { artifactLocation: { uri: 'src/a.js' }, region: { startLine: i + 1 } } }],
  }));
  const driver = { name: 'lint', rules: [{ id: 'no-eval', defaultConfiguration: { level: 'error' } }] };
  return JSON.stringify({ version: '2.1.0', runs: [{ tool: { driver }, invocations: [{ executionSuccessful: true }], results }] }, null, 1);
}

export function cyclonedxSample(bad: number): string {
  const components = times(12, (i) => ({
    type: 'library',
    name: `p${i}`,
    version: '1.0.0',
    licenses: i < bad ? [{ license: { id: 'GPL-3.0-only' } }] : [{ expression: 'MIT OR Apache-2.0' }],
  }));
  return JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', metadata: { component: { name: 'app' } }, components }, null, 1);
}

export function sonarqubeSample(isBad: boolean): string {
  const condition = (metricKey: string) => ({
    status: isBad ? 'ERROR' : 'OK',
    metricKey,
    comparator: 'LT',
    errorThreshold: '80',
    actualValue: isBad ? '10' : '90',
  });
  return JSON.stringify(
    {
      projectStatus: {
        status: isBad ? 'ERROR' : 'OK',
        conditions: ['new_coverage', 'new_violations', 'new_duplicated_lines_density', 'new_hotspots'].map(condition),
      },
    },
    null,
    1,
  );
}

export function k6Sample(isBad: boolean): string {
  const metric = {
    type: 'trend',
    contains: 'time',
    values: { avg: isBad ? 9000 : 90, 'p(95)': isBad ? 9999 : 99 },
    thresholds: { 'p(95)<500': { ok: !isBad }, 'avg<200': { ok: !isBad } },
  };
  return JSON.stringify(
    { metrics: { http_req_duration: metric, http_req_waiting: metric, iterations: { type: 'counter', values: { count: 10, rate: 1 } } } },
    null,
    1,
  );
}

export function npmAuditSample(bad: number): string {
  const found = times(bad, (i) => [
    `p${i}`,
    [
      {
        id: 1000 + i,
        url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
        title: 'Bad',
        severity: 'critical',
        vulnerable_versions: '<2',
      },
    ],
  ]);
  return JSON.stringify(Object.fromEntries(found), null, 1);
}

export function osvSample(bad: number): string {
  const packages = times(bad, (i) => ({
    package: { name: `p${i}`, version: '1.0.0', ecosystem: 'npm' },
    vulnerabilities: [{ id: `GHSA-aaaa-bbbb-ccc${i}`, summary: 'Bad', database_specific: { severity: 'CRITICAL' } }],
  }));
  return JSON.stringify({ results: [{ source: { path: 'package-lock.json', type: 'lockfile' }, packages }] }, null, 1);
}
