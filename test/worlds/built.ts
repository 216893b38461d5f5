import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../..');

/**
 * JavaScript of some source folders in a temporary folder, as the build makes it: entry points started from there
 * need no tsx and are there at once. Returns where a source file has gone, and the folder to remove.
 */
export async function built(sources: readonly string[]): Promise<{ readonly folder: string; url(source: string): URL }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-built-'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const source of sources) {
    const files = source.endsWith('.ts') ? [source] : (await readdir(join(ROOT, source))).map((name) => join(source, name));
    for (const file of files) if (file.endsWith('.ts') && !file.endsWith('.spec.ts')) await translate(folder, file);
  }
  return { folder, url: (source) => pathToFileURL(join(folder, source.replace(/\.ts$/, '.js'))) };
}

async function translate(folder: string, file: string): Promise<void> {
  const target = join(folder, file.replace(/\.ts$/, '.js'));
  const text = await readFile(join(ROOT, file), 'utf8');
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, outputText);
}
