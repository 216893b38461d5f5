import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** Which rooms a room may import from besides itself (DESIGN "The house"). `_shared` is plumbing: files, processes. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ['ports'],
  ports: ['core'],
  adapters: ['core', 'ports'],
  engine: ['core', 'ports', 'adapters/_shared'],
  edge: ['core', 'ports', 'adapters/_shared'],
  config: ['core', 'ports', 'engine/face', 'adapters/_shared'],
  server: ['engine/face', 'config', 'core', 'ports'],
  cli: ['engine/face', 'server', 'config', 'core', 'ports', 'adapters/_shared', 'app', 'index'],
};

function rules(): IFlattenedRuleSet {
  const directions = Object.entries(MAY_IMPORT).map(([room, others]) => ({
    name: `${room}-imports`,
    severity: 'error' as const,
    from: { path: `^src/${room}/`, pathNot: '\\.spec\\.ts$' },
    to: { path: '^src/', pathNot: `^src/(${[room, ...others].join('|')})` },
  }));
  return {
    forbidden: [
      ...directions,
      {
        name: 'no-cycles',
        severity: 'error',
        from: { path: '^src/' },
        to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
      },
      {
        name: 'core-is-pure',
        severity: 'error',
        from: { path: '^src/core/', pathNot: '\\.spec\\.ts$' },
        to: { dependencyTypes: ['core'] },
      },
      {
        name: 'core-imports-types-of-ports-only',
        severity: 'error',
        from: { path: '^src/core/' },
        to: { path: '^src/ports/', dependencyTypesNot: ['type-only'] },
      },
      {
        name: 'adapters-do-not-know-each-other',
        severity: 'error',
        from: { path: '^src/adapters/([^/]+)/', pathNot: '\\.spec\\.ts$' },
        to: { path: '^src/adapters/', pathNot: '^src/adapters/($1|_shared)/' },
      },
      {
        name: 'only-the-engine-knows-dbos',
        severity: 'error',
        from: { path: '^src/', pathNot: '^src/engine/' },
        to: { path: '@dbos-inc' },
      },
    ],
  };
}

async function examine(paths: readonly string[]): Promise<ICruiseResult> {
  const result = await cruise(
    [...paths],
    {
      baseDir: root,
      ruleSet: rules(),
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      tsConfig: { fileName: 'tsconfig.json' },
    },
    { extensions: ['.ts', '.js'], conditionNames: ['import', 'node', 'default'] },
  );
  return result.output as ICruiseResult;
}

describe('the house', () => {
  const planted = join(root, 'src/core/planted-violation');
  afterAll(() => rm(planted, { recursive: true, force: true }));

  it('imports point one way', { timeout: 60_000 }, async () => {
    const { summary } = await examine(['src']);
    expect(summary.totalCruised).toBeGreaterThan(100);
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([]);
  });

  it('notices a planted violation', { timeout: 60_000 }, async () => {
    await mkdir(planted, { recursive: true });
    await writeFile(
      join(planted, 'bad.ts'),
      "import { readFile } from 'node:fs/promises';\nimport { createPerformer } from '../../engine/perform/index.ts';\nexport const bad = [readFile, createPerformer];\n",
    );
    const { summary } = await examine(['src/core/planted-violation']);
    const names = new Set(summary.violations.map(({ rule }) => rule.name));
    expect([...names].toSorted()).toEqual(['core-imports', 'core-is-pure']);
  });
});
