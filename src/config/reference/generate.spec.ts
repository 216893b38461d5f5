import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { generated, placeOf } from './generate.ts';
import { jsonSchema } from './json-schema.ts';

test.each(Object.entries(generated))('%s is current (npx tsx src/config/reference/generate.ts makes it)', async (path, make) => {
  expect(await readFile(placeOf(path), 'utf8')).toBe(make());
});

test('every option is explained, and an environment may override all but what belongs to the source', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a JSON Schema
  const { definitions, properties } = jsonSchema() as {
    definitions: Record<string, Record<string, unknown>>;
    properties: Record<string, unknown>;
  };
  const unexplained: string[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries((node as { properties?: Record<string, Record<string, unknown>> }).properties ?? {})) {
      const explained =
        value['description'] !== undefined || value['const'] !== undefined || value['$ref'] !== undefined || value['allOf'] !== undefined;
      if (!explained) unexplained.push(`${path}.${key}`);
    }
    for (const [key, value] of Object.entries(node)) walk(value, `${path}/${key}`);
  };
  walk({ properties, definitions }, '');
  expect(unexplained).toEqual([]);
  const keys = (name: string): string[] => Object.keys(definitions[name]?.['properties'] ?? {});
  expect(keys('Overrides').length).toBeGreaterThan(5);
  expect(['path', 'dependsOn', 'inputs', 'checks', 'gates', ...keys('Overrides')]).toEqual(keys('App'));
});
