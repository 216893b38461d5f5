import type { RelationName } from './ast.ts';

/** What rules need to know of a database's schema. Names are `schema.name`. Plain JSON, read by the adapter in one go. */
export interface Catalog {
  readonly tables: Readonly<Record<string, TableFacts>>;
  readonly indexes: Readonly<Record<string, IndexFacts>>;
  /** `schema.name(argument types)` → facts. */
  readonly functions: Readonly<Record<string, FunctionFacts>>;
  /** Enums, domains, composite and range types. */
  readonly types: Readonly<Record<string, TypeFacts>>;
  readonly sequences: Readonly<Record<string, string>>;
  readonly schemas: readonly string[];
  readonly searchPath: readonly string[];
  readonly timeZone: string;
}

export interface TableFacts {
  readonly kind: 'table' | 'partitioned' | 'view' | 'materialized' | 'foreign';
  readonly persistence: string;
  /** Column → facts, in the table's order. */
  readonly columns: Readonly<Record<string, ColumnFacts>>;
  readonly constraints: Readonly<Record<string, ConstraintFacts>>;
  /** Trigger → its definition and whether it fires (`O`, `D`, `R`, `A`). */
  readonly triggers: Readonly<Record<string, string>>;
  readonly policies: Readonly<Record<string, string>>;
  readonly rowSecurity: boolean;
  readonly forceRowSecurity: boolean;
  readonly owner: string;
  /** `grantee=privileges`, sorted. */
  readonly grants: readonly string[];
  /** Definition, of views. */
  readonly definition: string | null;
  readonly partitionOf: string | null;
  /** Estimated rows, and bytes with indexes. */
  readonly rows: number;
  readonly bytes: number;
}

export interface ColumnFacts {
  /** As `format_type` says it: `character varying(20)`. */
  readonly type: string;
  readonly notNull: boolean;
  readonly default: string | null;
  /** '' or the kind of GENERATED: `s` stored, `v` virtual, `a`/`d` identity. */
  readonly generated: string;
}

export interface ConstraintFacts {
  /** c check, f foreign key, n not null, p primary key, u unique, x exclusion */
  readonly kind: string;
  readonly definition: string;
  readonly valid: boolean;
  readonly columns: readonly string[];
}

export interface IndexFacts {
  readonly table: string;
  readonly unique: boolean;
  readonly valid: boolean;
  readonly partitioned: boolean;
  /** First column; null for an expression. */
  readonly leading: string | null;
  /** A value of the first column names one row: unique, of no other column, over all rows. */
  readonly identifies: boolean;
}

export interface FunctionFacts {
  readonly volatility: string;
  readonly definition: string;
}

export interface TypeFacts {
  readonly kind: 'enum' | 'domain' | 'composite' | 'range';
  /** Labels of an enum, attributes of a composite type. */
  readonly labels: readonly string[];
  readonly constrained: boolean;
  /** What it rests on, of domains. */
  readonly base: string | null;
  /** Constraint → definition, of domains. */
  readonly constraints: Readonly<Record<string, string>>;
}

/** A relation's full name: found by the search path; the first schema of it where there is none such. */
export function fullName(catalog: Catalog | null, { schema, name }: RelationName, among: Readonly<Record<string, unknown>>): string {
  if (schema !== null) return `${schema}.${name}`;
  const path = catalog?.searchPath ?? ['public'];
  return `${path.find((one) => among[`${one}.${name}`] !== undefined) ?? path[0] ?? 'public'}.${name}`;
}

export function tableOf(catalog: Catalog | null, name: RelationName): TableFacts | null {
  return catalog?.tables[fullName(catalog, name, catalog.tables)] ?? null;
}

/** Whether a validated check says that the column is never null: then SET NOT NULL need not look at the rows. */
export function isProvenNotNull(table: TableFacts | null, column: string): boolean {
  if (table === null) return false;
  if (table.columns[column]?.notNull === true) return true;
  const proof = new RegExp(`\\(?\\(?"?${escape(column)}"? IS NOT NULL\\)?\\)?`, 'i');
  return Object.values(table.constraints).some(
    ({ kind, definition, valid }) => kind === 'c' && valid && proof.test(definition) && !/\sOR\s/i.test(definition),
  );
}

function escape(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
