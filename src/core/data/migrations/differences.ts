import type { Catalog } from './catalog.ts';

/** What a schema should have and has not, or has otherwise, one phrase each. What it has beyond that is no difference. Pure. */
export function schemaDifferences(wanted: Catalog, found: Catalog): string[] {
  const missing = (what: string, among: Readonly<Record<string, unknown>>, here: Readonly<Record<string, unknown>>): string[] =>
    Object.keys(among)
      .filter((name) => here[name] === undefined)
      .map((name) => `${what} ${name} is missing`);
  const tables = Object.entries(wanted.tables).flatMap(([name, table]) => {
    const here = found.tables[name];
    if (here === undefined) return [`${table.kind === 'table' ? 'table' : table.kind} ${name} is missing`];
    const columns = Object.entries(table.columns).flatMap(([column, facts]) => {
      const own = here.columns[column];
      if (own === undefined) return [`column ${name}.${column} is missing`];
      if (own.type !== facts.type) return [`column ${name}.${column} is ${own.type}, and should be ${facts.type}`];
      return facts.notNull && !own.notNull ? [`column ${name}.${column} may be NULL, and should not`] : [];
    });
    const definitions = new Set(Object.values(here.constraints).map(({ definition }) => definition));
    const constraints = Object.entries(table.constraints)
      .filter(([, { definition, kind }]) => kind !== 'n' && !definitions.has(definition))
      .map(([constraint, { definition }]) => `constraint ${constraint} of ${name} is missing: ${definition}`);
    return [...columns, ...constraints, ...missing(`trigger of ${name}`, table.triggers, here.triggers)];
  });
  const labels = Object.entries(wanted.types).flatMap(([name, { labels: all }]) => {
    const here = found.types[name];
    if (here === undefined) return [`type ${name} is missing`];
    const lost = all.filter((label) => !here.labels.includes(label));
    return lost.length === 0 ? [] : [`type ${name} lacks ${lost.join(', ')}`];
  });
  return [
    ...tables,
    ...labels,
    ...missing('index', wanted.indexes, found.indexes),
    ...missing('function', wanted.functions, found.functions),
  ];
}
