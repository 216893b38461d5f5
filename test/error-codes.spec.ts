import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { errorsPage, readEntries } from '../scripts/errors-page.ts';

const root = join(import.meta.dirname, '..');
const CODE = /^[A-Z]{2,}(_[A-Z]+)*$/;

describe('error codes', () => {
  it('every code that can be met is explained, and nothing else is', { timeout: 60_000 }, async () => {
    const met = await codesInSource();
    expect(met.size).toBeGreaterThan(50);
    const explained = (await readEntries()).map(({ code }) => code);
    expect({
      unexplained: [...met.keys()].filter((code) => !explained.includes(code)).map((code) => `${code} (${met.get(code)})`),
    }).toEqual({ unexplained: [] });
    expect({ unmet: explained.filter((code) => !met.has(code)) }).toEqual({ unmet: [] });
    expect({ twice: explained.filter((code, index) => explained.indexOf(code) !== index) }).toEqual({ twice: [] });
  });

  it('every explanation says something', async () => {
    expect((await readEntries()).filter(({ text }) => text.length < 40).map(({ code }) => code)).toEqual([]);
  });

  it('docs/errors.md is made from docs/errors.d (make docs)', async () => {
    expect(await readFile(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsPage(await readEntries()));
  });

  it.each([
    ["throw new UserError('AA_BB', 'x')", ['AA_BB']],
    ["throw new OutsideError(full ? 'DISK_FULL' : 'DISK_LOST', 'x')", ['DISK_FULL', 'DISK_LOST']],
    ["const cause = { kind: 'verdict', code: 'CC_DD' }", ['CC_DD']],
    ["const code = bad ? 'CC_EE' : 'CC_FF'", ['CC_EE', 'CC_FF']],
    ["return [{ code: 'EE_GG' as const }]", ['EE_GG']],
    ["class Bad extends UserError { constructor() { super('EE_FF', 'x') } }", ['EE_FF']],
    ["if (error.code === 'ENOENT') fail('XX_YY')", []],
  ])('finds the codes in %s', (text, codes) => {
    expect(codesIn(ts.createSourceFile('a.ts', text, ts.ScriptTarget.Latest, true))).toEqual(codes);
  });
});

async function codesInSource(): Promise<Map<string, string>> {
  const files = (await readdir(join(root, 'src'), { recursive: true })).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'),
  );
  const met = new Map<string, string>();
  for (const name of files) {
    const file = ts.createSourceFile(name, await readFile(join(root, 'src', name), 'utf8'), ts.ScriptTarget.Latest, true);
    for (const code of codesIn(file)) met.set(code, name);
  }
  return met;
}

/** Codes that this file gives to errors and causes: first arguments of `new …Error(…)` and `super(…)`, and values of `code`. */
function codesIn(file: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const given = codeOf(node);
    if (given !== undefined) found.push(...literalsIn(given));
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function codeOf(node: ts.Node): ts.Node | undefined {
  if (ts.isNewExpression(node)) return /Error\)?$/.test(node.expression.getText()) ? node.arguments?.[0] : undefined;
  if (ts.isCallExpression(node)) return node.expression.kind === ts.SyntaxKind.SuperKeyword ? node.arguments[0] : undefined;
  if (ts.isVariableDeclaration(node)) return node.name.getText() === 'code' ? node.initializer : undefined;
  if (ts.isPropertyAssignment(node)) return node.name.getText() === 'code' ? node.initializer : undefined;
  return ts.isPropertySignature(node) && node.name.getText() === 'code' ? node.type : undefined;
}

/** The value itself, or the branches that it may come from. */
function literalsIn(node: ts.Node): string[] {
  if (ts.isStringLiteral(node)) return CODE.test(node.text) ? [node.text] : [];
  if (ts.isConditionalExpression(node)) return [...literalsIn(node.whenTrue), ...literalsIn(node.whenFalse)];
  if (ts.isAsExpression(node)) return literalsIn(node.expression);
  if (ts.isLiteralTypeNode(node)) return literalsIn(node.literal);
  return ts.isUnionTypeNode(node) ? node.types.flatMap(literalsIn) : [];
}
