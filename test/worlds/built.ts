import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../..');

/**
 * JavaScript of source files, and of all they import, in a temporary folder, as the build makes it: entry points
 * started from there need no tsx and are there at once. Returns where a source file has gone, and the folder to remove.
 */
export async function built(sources: readonly string[]): Promise<{ readonly folder: string; url(source: string): URL }> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-built-'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  // Libraries are found by the nearest node_modules, and there is none above a temporary folder.
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const seen = new Set<string>();
  const follow = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    await Promise.all((await translate(folder, file)).map(follow));
  };
  await Promise.all(sources.map(follow));
  return { folder, url: (source) => pathToFileURL(join(folder, source.replace(/\.ts$/, '.js'))) };
}

/** @returns the source files it imports */
async function translate(folder: string, file: string): Promise<string[]> {
  const target = join(folder, file.replace(/\.ts$/, '.js'));
  const { outputText } = ts.transpileModule(await readFile(join(ROOT, file), 'utf8'), {
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
  return [...outputText.matchAll(/(?:from|import|import\() ?["'](\.[^"']+)\.js["']/g)].map(([, path]) => join(dirname(file), `${path}.ts`));
}
