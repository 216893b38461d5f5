import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonSchema } from './json-schema.ts';
import { configReference } from './reference.ts';

/** Files made from the schema: path in the repository → content. A test compares them with what is committed. */
export const generated: Readonly<Record<string, () => string>> = {
  'schema/sluice.schema.json': () => `${JSON.stringify(jsonSchema(), null, 2)}\n`,
  'docs/config.md': configReference,
};

/** Where a generated file stands. */
export function placeOf(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, make] of Object.entries(generated)) {
    await mkdir(dirname(placeOf(path)), { recursive: true });
    await writeFile(placeOf(path), make());
    process.stdout.write(`${path}\n`);
  }
}
