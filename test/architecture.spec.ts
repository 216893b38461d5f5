import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Which rooms a room may import besides itself: docs/decisions/0080-the-tree.md. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  lib: ['core'],
  ports: ['core'],
  adapters: ['core', 'ports', 'lib', 'supervisor'],
  supervisor: ['core', 'ports', 'lib'],
  edge: ['core', 'ports', 'lib'],
  projections: ['core', 'ports', 'lib'],
  engine: ['core', 'ports', 'lib'],
  config: ['core', 'lib'],
  services: ['core', 'ports', 'config', 'engine/face', 'lib'],
  server: ['services', 'engine/face', 'core', 'ports'],
  cli: ['server', 'services', 'config', 'engine/face', 'core', 'ports', 'lib', 'compose'],
};
/** They may import everything: the room that puts the others together, and the package's entry. */
const FREE = ['compose', 'index.ts'];

/** The room or file of this name alone: `src/app` is not `src/app-checks.ts`. */
const only = (...names: readonly string[]): string => `^src/(${names.join('|')})(/|\\.ts$)`;
const NO_SPEC = '\\.spec\\.ts$';

function rules(): IFlattenedRuleSet {
  const directions = Object.entries(MAY_IMPORT).map(([room, others]) => ({
    name: `${room}-imports`,
    severity: 'error' as const,
    from: { path: only(room), pathNot: NO_SPEC },
    to: { path: '^src/', pathNot: only(room, ...others) },
  }));
  return {
    forbidden: [
      ...directions,
      // Types count too: two files that need each other's types are one file.
      { name: 'no-cycles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
      { name: 'core-is-pure', severity: 'error', from: { path: only('core'), pathNot: NO_SPEC }, to: { dependencyTypes: ['core'] } },
      {
        name: 'adapters-do-not-know-each-other',
        severity: 'error',
        from: { path: '^src/adapters/([^/]+)/', pathNot: NO_SPEC },
        to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
      },
      {
        name: 'the-supervisor-is-known-by-its-platform-alone',
        severity: 'error',
        from: { path: only('adapters'), pathNot: [NO_SPEC, '^src/adapters/platform/processes/'] },
        to: { path: only('supervisor') },
      },
      {
        // `sluice affected` is over before the program would be loaded, so its own entry loads what it composes.
        name: 'the-cli-loads-compose-when-it-runs',
        severity: 'error',
        from: { path: only('cli'), pathNot: [NO_SPEC, '^src/cli/quick-affected\\.ts$'] },
        to: { path: only('compose'), dependencyTypesNot: ['dynamic-import', 'type-only'] },
      },
      {
        name: 'only-the-engine-knows-dbos',
        severity: 'error',
        from: { path: '^src/', pathNot: only('engine') },
        to: { path: '@dbos-inc' },
      },
    ],
  };
}

async function examine(baseDir: string): Promise<ICruiseResult> {
  const result = await cruise(
    ['src'],
    {
      baseDir,
      ruleSet: rules(),
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      tsConfig: { fileName: join(root, 'tsconfig.json') },
    },
    { extensions: ['.ts', '.js'], conditionNames: ['import', 'node', 'default'] },
  );
  return result.output as ICruiseResult;
}

/** Rule → files (below the folder of the plant) with what each imports, written as it would be from there. */
const PLANTED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ...Object.fromEntries(
    Object.keys(MAY_IMPORT).map((room) => [
      `${room}-imports`,
      // Every room but cli is forbidden to import cli; cli is forbidden to import the engine's inside.
      { [`src/${room}`]: room === 'cli' ? '../../engine/engine.ts' : '../../cli/version.ts' },
    ]),
  ),
  'core-is-pure': { 'src/core': 'node:fs' },
  'no-cycles': { 'src/lib': './bad.ts' },
  'adapters-do-not-know-each-other': { 'src/adapters/notify': '../../builder/local.ts' },
  'the-supervisor-is-known-by-its-platform-alone': { 'src/adapters/edge': '../../../supervisor/paths.ts' },
  'the-cli-loads-compose-when-it-runs': { 'src/cli': '../../compose/init.ts' },
  'only-the-engine-knows-dbos': { 'src/services': '@dbos-inc/dbos-sdk' },
};

describe('the house', () => {
  let planted = '';
  afterAll(() => rm(planted, { recursive: true, force: true }));

  it('the source root holds its rooms and index.ts, and each room has its rule', async () => {
    const names = await readdir(join(root, 'src'));
    expect(names.toSorted()).toEqual([...Object.keys(MAY_IMPORT), ...FREE].toSorted());
  });

  it('imports point one way, of types too', { timeout: 60_000 }, async () => {
    const { summary } = await examine(root);
    expect(summary.totalCruised).toBeGreaterThan(100);
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([]);
  });

  it('notices a planted violation of every rule', { timeout: 60_000 }, async () => {
    planted = await mkdtemp(join(tmpdir(), 'sluice-house-'));
    await symlink(join(root, 'node_modules'), join(planted, 'node_modules'));
    const texts = new Map<string, string[]>();
    for (const files of Object.values(PLANTED))
      for (const [at, target] of Object.entries(files)) texts.set(at, [...(texts.get(at) ?? []), target]);
    for (const [at, targets] of texts) {
      const file = join(planted, at, 'planted/bad.ts');
      for (const target of targets.filter((one) => one.startsWith('../'))) await writeIn(join(file, '..', target), 'export {};\n');
      const text = targets.map((target, i) => `import type * as planted${i} from '${target}';`).join('\n');
      // Of types alone, but for the rule that is about what is loaded.
      await writeIn(file, at === 'src/cli' ? text.replaceAll('import type', 'import') : text);
    }
    const { summary } = await examine(planted);
    const names = new Set(summary.violations.map(({ rule }) => rule.name));
    expect([...names].toSorted()).toEqual(
      rules()
        .forbidden?.map(({ name }) => name ?? '')
        .toSorted(),
    );
  });
});

async function writeIn(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
