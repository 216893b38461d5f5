import { describe, expect, it } from 'vitest';
import { newLinesOf } from './new-lines.ts';

const linesOf = (diff: string): Record<string, number[]> =>
  Object.fromEntries([...newLinesOf(diff)].map(([path, lines]) => [path, [...lines]]));

const head = (path: string, before = path): string => `diff --git a/${before} b/${path}\n--- a/${before}\n+++ b/${path}\n`;

describe('new lines of a diff', () => {
  it('are those added, by their number in the new file', () => {
    expect(linesOf(`${head('a.ts')}@@ -3,0 +4,2 @@ function f() {\n+one\n+two\n@@ -10 +12 @@\n-old\n+new\n`)).toEqual({
      'a.ts': [4, 5, 12],
    });
  });
  it('a file that is new or gone', () => {
    const added = 'diff --git a/n.ts b/n.ts\nnew file mode 100644\n--- /dev/null\n+++ b/n.ts\n@@ -0,0 +1,2 @@\n+a\n+b\n';
    const gone = 'diff --git a/o.ts b/o.ts\ndeleted file mode 100644\n--- a/o.ts\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n';
    expect(linesOf(added + gone)).toEqual({ 'n.ts': [1, 2] });
  });
  it('content that looks like a header is content, and a missing newline at the end is none', () => {
    const diff = `${head('a.md')}@@ -1,2 +1,2 @@\n--- old\n-@@ -1 +1 @@\n+++ b/other.ts\n+@@ -9 +9 @@\n\\ No newline at end of file\n`;
    expect(linesOf(diff)).toEqual({ 'a.md': [1, 2] });
  });
  it('names with odd letters', () => {
    expect(
      linesOf('diff --git "a/\\303\\274.ts" "b/\\303\\274.ts"\n--- "a/\\303\\274.ts"\n+++ "b/\\303\\274.ts"\n@@ -0,0 +1 @@\n+x\n'),
    ).toEqual({
      'ü.ts': [1],
    });
    expect(linesOf(`${head('with space.ts').replaceAll(/^([-+]{3} .*)$/gm, '$1\t')}@@ -0,0 +1 @@\n+x\n`)).toEqual({ 'with space.ts': [1] });
  });
});

describe('moved lines are not new', () => {
  const block = ['export function greet(name) {', '  const text = `Hello ${name}`;', '  return text;', '}'];
  const removed = `${head('a.ts')}@@ -1,4 +0,0 @@\n${block.map((line) => `-${line}\n`).join('')}`;
  const added = (lines: readonly string[]): string =>
    `${head('b.ts')}@@ -0,0 +1,${lines.length} @@\n${lines.map((line) => `+${line}\n`).join('')}`;
  it('a block that stands elsewhere now, also with another indentation', () => {
    expect(linesOf(removed + added(block))).toEqual({});
    expect(linesOf(removed + added(block.map((line) => `\t${line}`)))).toEqual({});
  });
  it('what was changed on the way is new', () => {
    expect(linesOf(removed + added(block.with(1, '  const text = `Goodbye ${name}`;')))).toEqual({ 'b.ts': [2, 3, 4] });
  });
  it('a copy is new: each removed line accounts for one', () => {
    expect(linesOf(removed + added([...block, ...block]))).toEqual({ 'b.ts': [5, 6, 7, 8] });
  });
  it('a lone bracket has not been moved', () => {
    expect(linesOf(`${head('a.ts')}@@ -1,2 +0,0 @@\n-}\n-return;\n${added(['}', 'return;'])}`)).toEqual({ 'b.ts': [1, 2] });
  });
});
