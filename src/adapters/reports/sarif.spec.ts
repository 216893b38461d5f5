import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { RawFinding } from '../../core/gates/contents.ts';
import { judge } from '../../core/gates/judge.ts';
import { NO_GATES } from '../../../test/worlds/gate-settings.ts';
import { sarifReader } from './sarif.ts';

async function* whole(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const read = (text: string) => sarifReader.read(whole(text), { server: null, token: null, signal: new AbortController().signal });

async function findingsOf(text: string): Promise<readonly RawFinding[]> {
  const answer = await read(text);
  if (!('content' in answer) || answer.content.kind !== 'findings') throw new Error(JSON.stringify(answer));
  return answer.content.findings;
}
const problemOf = async (text: string): Promise<string> => {
  const answer = await read(text);
  return 'problem' in answer ? `${answer.problem.kind}: ${answer.problem.message}` : 'none';
};

interface Run {
  readonly driver?: object;
  readonly extensions?: readonly object[];
  readonly more?: object;
}
const log = (results: readonly object[], { driver = {}, extensions = [], more = {} }: Run = {}): string =>
  JSON.stringify({
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'T', ...driver }, extensions },
        results: results.map((one) => ({ message: { text: 'm' }, ...one })),
        ...more,
      },
    ],
  });
const severe = (id: string, more: object = {}) => ({ id, properties: { 'security-severity': '9.8' }, ...more });
const mild = (id: string, more: object = {}) => ({ id, defaultConfiguration: { level: 'note' }, ...more });

describe('the rule of a result', () => {
  it('by its number, when its id has a tail of its own: severe as the rule is, and a gate fails', async () => {
    const file = join(import.meta.dirname, '../../../test/fixtures/cases/sarif-rule-by-index/hierarchical.sarif');
    const findings = await findingsOf(await readFile(file, 'utf8'));
    expect(findings).toMatchObject([{ rule: 'CA1000', severity: 'blocker', kind: 'vulnerability', path: 'src/a.ts' }]);
    const settings = { ...NO_GATES, findings: { new: 'major', overall: null, exclude: [] } } as const;
    const { gates } = judge(settings, {
      reports: [{ format: 'sarif', name: 'r', check: 'x', content: { kind: 'findings', tool: 'T', findings } }],
      newLines: new Map([['src/a.ts', new Set([3])]]),
      sources: [{ path: 'src/a.ts', text: '1\n2\n3\n' }],
      previous: {},
      now: 0,
    });
    expect(gates).toMatchObject([{ gate: 'findings.new', result: 'failed' }]);
  });

  it('is the same one in whatever legal way it is referred to, among rules of the same id elsewhere', async () => {
    const ids = fc.constantFrom('A', 'A/B', 'B', 'C');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(ids, { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        fc.constantFrom('driver', 'extension'),
        fc.constantFrom('index', 'ruleIndex', 'id', 'guid', 'tail'),
        async (names, nth, place, how) => {
          const at = nth % names.length;
          const id = names[at] ?? '';
          const rules = names.map((name, i) => (i === at ? severe(name, { guid: 'g' }) : mild(name)));
          const others = names.map((name) => mild(name));
          const isOut = place === 'extension';
          const toolComponent = isOut ? { toolComponent: { index: 1 } } : {};
          const ways = {
            index: { rule: { index: at, ...toolComponent } },
            ruleIndex: { ruleIndex: at, ...(isOut ? { rule: toolComponent } : {}) },
            id: { rule: { id, ...(isOut ? toolComponent : { toolComponent: { name: 'T' } }) } },
            guid: { rule: { guid: 'g', ...toolComponent } },
            tail: { ruleId: `${id}/tail/1`, ...(isOut ? { rule: toolComponent } : {}) },
          };
          const text = log([ways[how]], {
            driver: { rules: isOut ? others : rules },
            extensions: [
              { name: 'E0', rules: others },
              { name: 'E1', rules: isOut ? rules : others },
            ],
          });
          expect(await findingsOf(text)).toMatchObject([{ severity: 'blocker', rule: id }]);
        },
      ),
    );
  });

  test.each([
    ['a number that leads nowhere', { ruleIndex: 7 }],
    ['a number that leads to another rule than its id', { ruleId: 'X', ruleIndex: 0 }],
    ['two ids', { ruleId: 'A', rule: { id: 'B' } }],
    ['a component that is not there', { rule: { id: 'A', toolComponent: { index: 3 } } }],
  ])('by %s is damage', async (_what, result) =>
    expect(await problemOf(log([result], { driver: { rules: [severe('A'), mild('B')] } }))).toContain('damaged'),
  );

  it('of another name in an earlier version is found', async () =>
    expect(await findingsOf(log([{ ruleId: 'OLD' }], { driver: { rules: [severe('A', { deprecatedIds: ['OLD'] })] } }))).toMatchObject([
      { rule: 'A', severity: 'blocker' },
    ]));
});

describe('the level of a result', () => {
  const override = (level: string) => ({ ruleConfigurationOverrides: [{ configuration: { level }, descriptor: { index: 0 } }] });
  const invoked = (...overrides: object[]) => ({ invocations: overrides.map((one) => ({ executionSuccessful: true, ...one })) });
  const severityOf = async (result: object, run: Run) => (await findingsOf(log([{ ruleIndex: 0, ...result }], run)))[0]?.severity;
  const driver = { rules: [{ id: 'A', defaultConfiguration: { level: 'warning' } }] };

  it('its own first, then what its invocation sets, then what is usual for its rule', async () => {
    const more = invoked(override('note'), override('error'));
    expect(await severityOf({ level: 'note', provenance: { invocationIndex: 1 } }, { driver, more })).toBe('info');
    expect(await severityOf({ provenance: { invocationIndex: 1 } }, { driver, more })).toBe('major');
    expect(await severityOf({ provenance: { invocationIndex: 0 } }, { driver, more })).toBe('info');
    expect(await severityOf({}, { driver })).toBe('minor');
  });
  it('is never made better by an invocation that it does not name', async () => {
    expect(await severityOf({}, { driver, more: invoked(override('none')) })).toBe('minor');
    expect(await severityOf({}, { driver, more: invoked(override('error')) })).toBe('major');
  });
  test.each([
    [{ kind: 'pass', level: 'error' }, 'major'],
    [{ kind: 'open' }, 'minor'],
    [{ kind: 'review', level: 'none' }, 'minor'],
    [{ level: 'none' }, 'info'],
    [{ kind: 'pass' }, undefined],
    [{ kind: 'informational', level: 'none' }, undefined],
  ])('of %j is %s', async (result, severity) => expect(await severityOf(result, { driver })).toBe(severity));
});

it('a rule of a list of weaknesses makes a vulnerability', async () => {
  const target = { toolComponent: { name: 'CWE' }, id: '79' };
  expect(
    await findingsOf(log([{ taxa: [target] }, { ruleIndex: 0 }], { driver: { rules: [mild('A', { relationships: [{ target }] })] } })),
  ).toMatchObject([{ kind: 'vulnerability' }, { kind: 'vulnerability' }]);
});

test.each([
  ['did not end well', { executionSuccessful: false }],
  [
    'says that it broke on something',
    { executionSuccessful: true, toolExecutionNotifications: [{ level: 'error', message: { text: 'out of memory' } }] },
  ],
  ['was set up wrongly', { executionSuccessful: true, toolConfigurationNotifications: [{ level: 'error' }] }],
  ['was ended by a signal', { executionSuccessful: true, exitSignalName: 'SIGKILL' }],
])('a run that %s is no evidence', async (_what, invocation) =>
  expect(await problemOf(log([], { more: { invocations: [invocation] } }))).toContain('did not get through'),
);

it('results in other files, beside an empty list, are no evidence', async () =>
  expect(await problemOf(log([], { more: { externalPropertyFileReferences: { results: [{ location: { uri: 'r.json' } }] } } }))).toContain(
    'damaged',
  ));

it('a place by the number of its file, and by a base of a base', async () => {
  const artifacts = [{ location: { uri: 'b.ts', uriBaseId: 'SRC' } }];
  const originalUriBaseIds = { ROOT: { uri: 'file:///w/' }, SRC: { uri: 'src/', uriBaseId: 'ROOT' } };
  const locations = [{ physicalLocation: { artifactLocation: { index: 0 }, region: { startLine: 2 } } }];
  expect(await findingsOf(log([{ locations }], { more: { artifacts, originalUriBaseIds } }))).toMatchObject([
    { path: '/w/src/b.ts', line: 2 },
  ]);
});
